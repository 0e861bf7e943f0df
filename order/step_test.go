package order_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"orders/order"
	"orders/order/message"
)

func TestProgressOf(t *testing.T) {
	t.Parallel()

	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	done, void := &order.Effect{At: at}, &order.Effect{At: at, Void: true}
	failed := &order.Attempt{Number: 2, Code: order.Unavailable}
	dead := &order.Attempt{Number: 10, Code: order.Internal, Dead: true}

	for name, test := range map[string]struct {
		effect  *order.Effect
		attempt *order.Attempt
		want    order.StepState
		fails   bool // the last error is shown
	}{
		"nothing is known yet":               {want: order.Waiting},
		"its job waits":                      {attempt: &order.Attempt{}, want: order.Waiting},
		"its job runs":                       {attempt: &order.Attempt{Number: 1}, want: order.Waiting},
		"an attempt failed":                  {attempt: failed, want: order.Retrying, fails: true},
		"its job was given up":               {attempt: dead, want: order.Dead, fails: true},
		"its job was cancelled":              {attempt: &order.Attempt{Number: 1, Dead: true}, want: order.Dead},
		"the ledger has it":                  {effect: done, want: order.Done},
		"the ledger has it, its job runs":    {effect: done, attempt: failed, want: order.Done},
		"the ledger voids it":                {effect: void, attempt: &order.Attempt{}, want: order.Skipped},
		"the ledger has what a dead job did": {effect: done, attempt: dead, want: order.Done},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			step := order.ProgressOf(order.Points, test.effect, test.attempt)
			if step.State != test.want || (step.LastError != "") != test.fails || (step.At != nil) != (test.effect != nil) {
				t.Errorf("%+v, want %s", step, test.want)
			}

			if done := test.effect != nil; done != (step.Attempts == nil) || !done && test.attempt != nil && *step.Attempts != test.attempt.Number {
				t.Errorf("%v attempts, want %+v", step.Attempts, test.attempt)
			}
		})
	}
}

// A declared step has a name of its own and a sentence for README, and confirmed orders
// must have it. A step that sends a message has its text and cannot be undone.
func TestStepsAreDeclared(t *testing.T) {
	t.Parallel()

	seen := map[order.StepName]bool{}

	for _, step := range order.Steps() {
		if step.Name == "" || seen[step.Name] || step.Does == "" || !step.Due(order.Confirmed, false) || !step.Due(order.Confirmed, true) {
			t.Errorf("%+v", step)
		}

		seen[step.Name] = true

		if step.Template != "" && (message.Inbox(step.Template, order.English) == "" || step.Reversible) {
			t.Errorf("%s sends %q, reversible: %t", step.Name, step.Template, step.Reversible)
		}

		for _, status := range order.Statuses() {
			if status.Final() && step.Due(status, false) {
				t.Errorf("%s is due although the order is %s", step.Name, status)
			}
		}

		if declared, ok := order.StepOf(step.Name); !ok || declared.Does != step.Does {
			t.Errorf("StepOf(%s) is %+v", step.Name, declared)
		}
	}

	if _, ok := order.StepOf("of-tomorrow"); ok {
		t.Error("a step is declared of that name")
	}
}

func TestDue(t *testing.T) {
	t.Parallel()

	everywhere := order.Step{DueIn: []order.Status{order.Pending, order.AwaitingPayment, order.Confirmed}}
	confirmed := order.Step{DueIn: []order.Status{order.Confirmed}}
	paid := order.Step{DueIn: []order.Status{order.Pending, order.Confirmed}, AfterPayment: true}

	for name, test := range map[string]struct {
		step        order.Step
		plain, held []order.Status // in which the step is due
	}{
		"at once":        {everywhere, everywhere.DueIn, everywhere.DueIn},
		"when confirmed": {confirmed, []order.Status{order.Confirmed}, []order.Status{order.Confirmed}},
		"when paid":      {paid, []order.Status{order.Pending, order.Confirmed}, []order.Status{order.Confirmed}},
	} {
		for _, status := range order.Statuses() {
			if got, want := test.step.Due(status, false), slices.Contains(test.plain, status); got != want {
				t.Errorf("%s, a plain order that is %s: %t", name, status, got)
			}

			if got, want := test.step.Due(status, true), slices.Contains(test.held, status); got != want {
				t.Errorf("%s, a held order that is %s: %t", name, status, got)
			}
		}
	}
}

// A step is enqueued when the order is placed, or by the one move that makes it due.
func TestBecomesDue(t *testing.T) {
	t.Parallel()

	confirmed := order.Step{DueIn: []order.Status{order.Confirmed}}
	paid := order.Step{DueIn: []order.Status{order.Pending, order.Confirmed}, AfterPayment: true}

	for name, test := range map[string]struct {
		step     order.Step
		from, to order.Status
		held     bool
		want     bool
	}{
		"a step of confirmed orders, when a plain order has its stock": {confirmed, order.Pending, order.Confirmed, false, true},
		"a step of confirmed orders, when a held order has its stock":  {confirmed, order.Pending, order.AwaitingPayment, true, false},
		"a step of confirmed orders, when a held order is paid":        {confirmed, order.AwaitingPayment, order.Confirmed, true, true},
		"a step after payment, when a plain order has its stock":       {paid, order.Pending, order.Confirmed, false, false},
		"a step after payment, when a held order has its stock":        {paid, order.Pending, order.AwaitingPayment, true, false},
		"a step after payment, when a held order is paid":              {paid, order.AwaitingPayment, order.Confirmed, true, true},
		"a step of confirmed orders, when one is cancelled":            {confirmed, order.Confirmed, order.Cancelled, false, false},
	} {
		if got := test.step.BecomesDue(test.from, test.to, test.held); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// What customers read of an error has no internal text, whatever its code.
func TestPublicError(t *testing.T) {
	t.Parallel()

	if got := order.PublicError(""); got != "" {
		t.Errorf("no error is %q", got)
	}

	for _, code := range []order.Code{order.Unavailable, order.Internal, order.NotFound, "of-tomorrow"} {
		if got := order.PublicError(code); got == "" || strings.Contains(got, string(order.NotFound)) || strings.Contains(got, "of-tomorrow") {
			t.Errorf("%s is %q", code, got)
		}
	}
}
