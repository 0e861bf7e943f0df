package order_test

import (
	"strings"
	"testing"
	"time"

	"orders/order"
)

var now = time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC)

func at(after time.Duration) *time.Time {
	t := now.Add(after)

	return &t
}

// steps are those of an order, in their order.
func steps(inventory, points, notification order.StepState) []order.Step {
	return []order.Step{
		{Name: order.Inventory, State: inventory}, {Name: order.Points, State: points}, {Name: order.Notification, State: notification},
	}
}

// Each case is a confirmed order whose points are not done, unless it says otherwise.
func TestExplain(t *testing.T) {
	t.Parallel()

	confirmed := order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Waiting, order.Done)}
	held := order.Order{Status: order.AwaitingPayment, HoldUntil: at(time.Hour), Steps: steps(order.Done, order.Waiting, order.Done)}
	overdue := held
	overdue.HoldUntil = at(-time.Second)

	available := &order.Job{State: "available", Queue: "points"}
	retryable := &order.Job{State: "retryable", ScheduledAt: *at(8 * time.Second), Attempts: 3, LastError: "unavailable: dial db-7.internal"}
	running := order.Job{State: "running", AttemptedAt: at(-2 * time.Second), Worker: "host_1"}
	orphaned := running
	orphaned.WorkerGone = true

	letter := order.Letter{JobID: 7, DeadAt: *at(-time.Minute), Error: "pq: secret", Reason: "transient"}
	attention, permanent, spent, second := letter, letter, letter, letter
	attention.Attention, permanent.Reason, spent.Redrives, second.Redrives = true, "permanent", 2, 1

	for name, c := range map[string]struct {
		order    order.Order
		work     order.Work
		headless bool
		code     order.ReasonCode
		text     string
		until    *time.Time
		link     string
	}{
		"settled":   {order: order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Done, order.Done)}, code: order.SettledReason, text: "all its work is done"},
		"final":     {order: order.Order{Status: order.Rejected, StatusReason: "no tea", Steps: steps(order.Done, order.Waiting, order.Done)}, code: order.FinalReason, text: "The order is rejected (no tea)"},
		"cancelled": {order: order.Order{Status: order.Cancelled}, code: order.FinalReason, text: "The order is cancelled; nothing more"},

		"next":          {work: order.Work{Job: available, Workers: 1}, code: order.AwaitingTurn, text: "the points job is the next to run"},
		"one ahead":     {work: order.Work{Job: available, Workers: 1, Ahead: 1}, code: order.AwaitingTurn, text: "Nothing is wrong: 1 job is ahead"},
		"40 ahead":      {work: order.Work{Job: available, Workers: 1, Ahead: 40}, code: order.AwaitingTurn, text: "Nothing is wrong: 40 jobs are ahead"},
		"very many":     {work: order.Work{Job: available, Workers: 1, Ahead: order.MaxAhead + 1}, code: order.AwaitingTurn, text: "more than 10000 jobs are ahead"},
		"running":       {work: order.Work{Job: &running}, code: order.RunningNow, text: "running on worker host_1 since 2026-01-05 09:29:58 UTC"},
		"worker gone":   {work: order.Work{Job: &orphaned}, code: order.WorkerGone, text: "The worker host_1 died"},
		"paused":        {work: order.Work{Job: available, Workers: 1, Paused: at(-time.Hour)}, code: order.QueuePaused, text: "paused since 2026-01-05 08:30:00 UTC"},
		"paused, alone": {work: order.Work{Job: retryable, Paused: at(-time.Hour)}, code: order.QueuePaused, text: "paused"},
		"no worker":     {work: order.Work{Job: available}, code: order.NoWorker, text: "No worker is alive that would run the points job"},
		"retry": {
			work: order.Work{Job: retryable, Workers: 1}, code: order.AwaitingRetry, until: at(8 * time.Second),
			text: "has failed 3 times (the database could not be reached; it is tried again) and is tried again at 2026-01-05 09:30:08 UTC",
		},
		"no leader":                  {work: order.Work{Job: retryable, Workers: 1}, headless: true, code: order.NoLeader, text: "no worker process leads"},
		"no leader, but nothing due": {work: order.Work{Job: available, Workers: 1}, headless: true, code: order.AwaitingTurn, text: "Nothing is wrong"},
		"snoozed":                    {work: order.Work{Job: &order.Job{State: "scheduled", ScheduledAt: *at(time.Minute)}, Workers: 1}, code: order.AwaitingTime, text: "is to run at", until: at(time.Minute)},

		"dead, redriven soon":     {work: order.Work{Letter: &letter}, code: order.DeadLettered, text: "it is redriven at 2026-01-05 09:30:00 UTC", until: at(0), link: "/dead-letters/7"},
		"dead, redriven again":    {work: order.Work{Letter: &second}, code: order.DeadLettered, text: "redriven", until: at(4 * time.Minute), link: "/dead-letters/7"},
		"dead, for people":        {work: order.Work{Job: &order.Job{State: "discarded"}, Letter: &attention}, code: order.DeadLettered, text: "needs somebody's attention", link: "/dead-letters/7"},
		"dead, for good":          {work: order.Work{Letter: &permanent}, code: order.DeadLettered, text: "the next sweep decides", link: "/dead-letters/7"},
		"dead, redrives spent":    {work: order.Work{Letter: &spent}, code: order.DeadLettered, text: "the next sweep decides", link: "/dead-letters/7"},
		"a live job beats letter": {work: order.Work{Job: available, Workers: 1, Letter: &attention}, code: order.AwaitingTurn, text: "Nothing is wrong"},
		"given up":                {work: order.Work{Job: &order.Job{State: "cancelled"}}, code: order.GivenUp, text: "given up (it was cancelled)"},
		"no job":                  {code: order.JobMissing, text: "has no job"},
		"no effect":               {work: order.Work{Job: &order.Job{State: "completed"}}, code: order.JobMissing, text: "has no job"},

		"held":    {order: held, code: order.PaymentAwaited, text: "waits for its payment until 2026-01-05 10:30:00 UTC", until: at(time.Hour)},
		"overdue": {order: overdue, code: order.PaymentAwaited, text: "about to expire", until: at(-time.Second)},
		"unclear": {order: order.Order{Status: order.Pending, Steps: steps(order.Done, order.Done, order.Done)}, code: order.UnknownReason, text: "look again"},
	} {
		if c.order.Status == "" {
			c.order = confirmed
		}

		got := order.Explain(order.Facts{
			Now: now, Order: c.order, Leader: !c.headless, Work: map[order.StepName]order.Work{order.Points: c.work},
			RedriveAfter: []time.Duration{time.Minute, 5 * time.Minute},
		})

		if got.Code != c.code || !strings.Contains(got.Text, c.text) || got.Link != c.link {
			t.Errorf("%s: %s %q %q, want %s %q %q", name, got.Code, got.Text, got.Link, c.code, c.text, c.link)
		}

		if (got.Until == nil) != (c.until == nil) || got.Until != nil && !got.Until.Equal(*c.until) {
			t.Errorf("%s: until %v, want %v", name, got.Until, c.until)
		}

		if got.Reasons == nil || strings.Contains(got.Text, "internal") && strings.Contains(got.Text, "db-7") || strings.Contains(got.Text, "secret") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestExplainTellsTheMostImportantReasonFirst(t *testing.T) {
	t.Parallel()

	got := order.Explain(order.Facts{
		Now:    now,
		Order:  order.Order{Status: order.Pending, HoldUntil: at(time.Hour), Steps: steps(order.Waiting, order.Waiting, order.Retrying)},
		Leader: true,
		Work: map[order.StepName]order.Work{
			order.Inventory:    {Job: &order.Job{State: "available"}, Workers: 1, Ahead: 40},
			order.Notification: {Letter: &order.Letter{JobID: 7, Attention: true}},
		},
	})

	if got.Code != order.DeadLettered || got.Step != order.Notification {
		t.Errorf("%+v", got.Reason)
	}

	// The points of a held order have no job before it is paid, and that is right.
	if len(got.Reasons) != 2 || got.Reasons[0] != got.Reason || got.Reasons[1].Code != order.AwaitingTurn || got.Reasons[1].Step != order.Inventory {
		t.Errorf("%+v", got.Reasons)
	}
}

func TestSettled(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		order order.Order
		want  bool
	}{
		"placed":       {order.Order{Status: order.Pending, Steps: steps(order.Waiting, order.Waiting, order.Waiting)}, false},
		"pending":      {order.Order{Status: order.Pending, Steps: steps(order.Dead, order.Done, order.Done)}, false},
		"held":         {order.Order{Status: order.AwaitingPayment, Steps: steps(order.Done, order.Done, order.Done)}, false},
		"working":      {order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Waiting, order.Done)}, false},
		"retrying":     {order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Retrying, order.Done)}, false},
		"done":         {order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Done, order.Skipped)}, true},
		"a dead step":  {order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Dead, order.Done)}, true},
		"a final one":  {order.Order{Status: order.Cancelled, Steps: steps(order.Skipped, order.Waiting, order.Done)}, true},
		"without work": {order.Order{Status: order.Confirmed}, true},
	} {
		if got := c.order.Settled(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
