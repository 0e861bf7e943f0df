package explain_test

import (
	"strings"
	"testing"
	"time"

	"orders/db/progress"
	"orders/order"
	"orders/order/explain"
)

var now = time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC)

func at(after time.Duration) *time.Time {
	t := now.Add(after)

	return &t
}

// steps are those of an order, in their order.
func steps(inventory, points, notification order.StepState) []order.StepProgress {
	return []order.StepProgress{
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

	available := &progress.Job{State: "available", Queue: "points"}
	retryable := &progress.Job{State: "retryable", ScheduledAt: *at(8 * time.Second), Attempts: 3, Code: order.Unavailable}
	running := progress.Job{State: "running", AttemptedAt: at(-2 * time.Second), Worker: "host_1"}
	abandoned := running
	abandoned.WorkerGone = true

	letter := progress.Letter{JobID: 7, DeadAt: *at(-time.Minute), Code: order.Internal, Reason: "transient"}
	attention, permanent, spent, second := letter, letter, letter, letter
	attention.Attention, permanent.Reason, spent.Redrives, second.Redrives = true, "permanent", 2, 1

	for name, c := range map[string]struct {
		order    order.Order
		work     progress.Step
		headless bool
		code     explain.Code
		text     string
		until    *time.Time
		link     string
	}{
		"settled":   {order: order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Done, order.Done)}, code: explain.Settled, text: "all its work is done"},
		"final":     {order: order.Order{Status: order.Rejected, StatusReason: "no tea", Steps: steps(order.Done, order.Waiting, order.Done)}, code: explain.Final, text: "The order is rejected (no tea)"},
		"cancelled": {order: order.Order{Status: order.Cancelled}, code: explain.Final, text: "The order is cancelled; nothing more"},

		"next":          {work: progress.Step{Job: available, Workers: 1}, code: explain.Queued, text: "the points job is the next to run"},
		"one ahead":     {work: progress.Step{Job: available, Workers: 1, Ahead: 1}, code: explain.Queued, text: "Nothing is wrong: 1 job is ahead"},
		"40 ahead":      {work: progress.Step{Job: available, Workers: 1, Ahead: 40}, code: explain.Queued, text: "Nothing is wrong: 40 jobs are ahead"},
		"very many":     {work: progress.Step{Job: available, Workers: 1, Ahead: progress.MaxAhead + 1}, code: explain.Queued, text: "more than 10000 jobs are ahead"},
		"running":       {work: progress.Step{Job: &running}, code: explain.Running, text: "been running on worker host_1 since 2026-01-05 09:29:58 UTC"},
		"worker gone":   {work: progress.Step{Job: &abandoned}, code: explain.WorkerDead, text: "The worker host_1 died"},
		"paused":        {work: progress.Step{Job: available, Workers: 1, Paused: at(-time.Hour)}, code: explain.QueuePaused, text: "paused since 2026-01-05 08:30:00 UTC"},
		"paused, alone": {work: progress.Step{Job: retryable, Paused: at(-time.Hour)}, code: explain.QueuePaused, text: "paused"},
		"no worker":     {work: progress.Step{Job: available}, code: explain.NoWorker, text: "No worker is alive that works the queue of the points job"},
		"retry": {
			work: progress.Step{Job: retryable, Workers: 1}, code: explain.AwaitingRetry, until: at(8 * time.Second),
			text: "has failed 3 times (the database could not be reached); its next attempt is at 2026-01-05 09:30:08 UTC",
		},
		"no leader":                  {work: progress.Step{Job: retryable, Workers: 1}, headless: true, code: explain.NoLeader, text: "no worker is leader"},
		"no leader, but nothing due": {work: progress.Step{Job: available, Workers: 1}, headless: true, code: explain.Queued, text: "Nothing is wrong"},
		"available early":            {work: progress.Step{Job: &progress.Job{State: "available", ScheduledAt: *at(time.Minute)}, Workers: 1}, headless: true, code: explain.Scheduled, text: "is scheduled for 2026-01-05 09:31:00 UTC", until: at(time.Minute)},
		"snoozed":                    {work: progress.Step{Job: &progress.Job{State: "scheduled", ScheduledAt: *at(time.Minute)}, Workers: 1}, code: explain.Scheduled, text: "is scheduled for 2026-01-05 09:31:00 UTC", until: at(time.Minute)},

		"dead, redriven soon":     {work: progress.Step{Letter: &letter}, code: explain.DeadLetter, text: "it is redriven at 2026-01-05 09:30:00 UTC", until: at(0), link: "/dead-letters/7"},
		"dead, redriven again":    {work: progress.Step{Letter: &second}, code: explain.DeadLetter, text: "redriven", until: at(4 * time.Minute), link: "/dead-letters/7"},
		"dead, for an operator":   {work: progress.Step{Job: &progress.Job{State: "discarded"}, Letter: &attention}, code: explain.DeadLetter, text: "an operator must decide", link: "/dead-letters/7"},
		"dead, for good":          {work: progress.Step{Letter: &permanent}, code: explain.DeadLetter, text: "the next sweep decides", link: "/dead-letters/7"},
		"dead, redrives spent":    {work: progress.Step{Letter: &spent}, code: explain.DeadLetter, text: "the next sweep decides", link: "/dead-letters/7"},
		"a live job beats letter": {work: progress.Step{Job: available, Workers: 1, Letter: &attention}, code: explain.Queued, text: "Nothing is wrong"},
		"given up":                {work: progress.Step{Job: &progress.Job{State: "cancelled"}}, code: explain.GivenUp, text: "given up (it was cancelled)"},
		"no job":                  {code: explain.JobMissing, text: "has no job"},
		"no effect":               {work: progress.Step{Job: &progress.Job{State: "completed"}}, code: explain.JobMissing, text: "has no job"},

		"held":    {order: held, code: explain.AwaitingPayment, text: "waits for its payment until 2026-01-05 10:30:00 UTC", until: at(time.Hour)},
		"overdue": {order: overdue, code: explain.AwaitingPayment, text: "about to expire", until: at(-time.Second)},
		"unclear": {order: order.Order{Status: order.Pending, Steps: steps(order.Done, order.Done, order.Done)}, code: explain.Unknown, text: "No reason is known"},
	} {
		if c.order.Status == "" {
			c.order = confirmed
		}

		got := explain.Explain(progress.Facts{
			Now: now, Order: c.order, Leader: !c.headless, Work: map[order.StepName]progress.Step{order.Points: c.work},
		}, []time.Duration{time.Minute, 5 * time.Minute})

		if got.Code != c.code || !strings.Contains(got.Text, c.text) || got.Link != c.link {
			t.Errorf("%s: %s %q %q, want %s %q %q", name, got.Code, got.Text, got.Link, c.code, c.text, c.link)
		}

		if (got.Until == nil) != (c.until == nil) || got.Until != nil && !got.Until.Equal(*c.until) {
			t.Errorf("%s: until %v, want %v", name, got.Until, c.until)
		}

		if got.Reasons == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestExplainTellsTheMostImportantReasonFirst(t *testing.T) {
	t.Parallel()

	got := explain.Explain(progress.Facts{
		Now:    now,
		Order:  order.Order{Status: order.Pending, HoldUntil: at(time.Hour), Steps: steps(order.Waiting, order.Waiting, order.Retrying)},
		Leader: true,
		Work: map[order.StepName]progress.Step{
			order.Inventory:    {Job: &progress.Job{State: "available"}, Workers: 1, Ahead: 40},
			order.Notification: {Letter: &progress.Letter{JobID: 7, Attention: true}},
		},
	}, nil)

	if got.Code != explain.DeadLetter || got.Step != order.Notification {
		t.Errorf("%+v", got.Reason)
	}

	// The points of a held order have no job before it is paid, and that is right.
	if len(got.Reasons) != 2 || got.Reasons[0] != got.Reason || got.Reasons[1].Code != explain.Queued || got.Reasons[1].Step != order.Inventory {
		t.Errorf("%+v", got.Reasons)
	}
}
