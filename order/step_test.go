package order_test

import (
	"strings"
	"testing"
	"time"

	"orders/order"
)

func TestStepOf(t *testing.T) {
	t.Parallel()

	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	done, void := &order.Effect{At: at}, &order.Effect{At: at, Void: true}

	for name, test := range map[string]struct {
		effect *order.Effect
		run    *order.Run
		want   order.StepState
		fails  bool // the last error is shown
	}{
		"nothing is known yet":            {want: order.Waiting},
		"its job waits":                   {run: &order.Run{State: "available"}, want: order.Waiting},
		"its job runs":                    {run: &order.Run{State: "running", Attempts: 1}, want: order.Waiting},
		"a run failed":                    {run: &order.Run{State: "retryable", Attempts: 1, LastError: "x"}, want: order.Retrying, fails: true},
		"it runs again":                   {run: &order.Run{State: "running", Attempts: 2, LastError: "x"}, want: order.Retrying, fails: true},
		"its job was given up":            {run: &order.Run{State: "discarded", Attempts: 10, LastError: "x"}, want: order.Dead, fails: true},
		"its job was cancelled":           {run: &order.Run{State: "cancelled", Attempts: 1, LastError: "x"}, want: order.Dead, fails: true},
		"the ledger has it":               {effect: done, want: order.Done},
		"the ledger has it, its job runs": {effect: done, run: &order.Run{State: "running", Attempts: 2, LastError: "x"}, want: order.Done},
		"the ledger voids it":             {effect: void, run: &order.Run{State: "available"}, want: order.Skipped},
		"the ledger has what a dead job did": {
			effect: done, run: &order.Run{State: "discarded", Attempts: 10, LastError: "x"}, want: order.Done,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			step := order.StepOf(order.Points, test.effect, test.run)
			if step.State != test.want || (step.LastError != "") != test.fails || (step.At != nil) != (test.effect != nil) {
				t.Errorf("%+v, want %s", step, test.want)
			}

			if test.run != nil && step.Attempts != test.run.Attempts {
				t.Errorf("%d attempts, want %d", step.Attempts, test.run.Attempts)
			}
		})
	}
}

func TestPublicErrorHidesInternals(t *testing.T) {
	t.Parallel()

	for _, recorded := range []string{
		"unavailable: begin: dial tcp 10.0.0.7:5432: connection refused",
		`earn points: ERROR: relation "points_entries" does not exist (SQLSTATE 42P01)`,
		"panic in batch: runtime error\ngoroutine 7 [running]:",
	} {
		got := order.PublicError(recorded)
		if got == "" {
			t.Errorf("nothing is said of %q", recorded)
		}

		for _, internal := range []string{"10.0.0.7", "SQLSTATE", "points_entries", "goroutine"} {
			if strings.Contains(got, internal) {
				t.Errorf("%q shows %q", got, internal)
			}
		}
	}
}

func TestTemplatesHaveTexts(t *testing.T) {
	t.Parallel()

	for _, template := range []order.Template{order.NoticeCreated, order.NoticeRejected} {
		if template.Text() == "" {
			t.Errorf("%s has no text", template)
		}
	}

	if got := order.NoticeCreated.Text(); got != "your order has been created" {
		t.Errorf("created: %q", got)
	}
}
