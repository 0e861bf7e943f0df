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
	retryable := &progress.Job{State: "retryable", ScheduledAt: *at(8 * time.Second), Failures: 3, Code: order.Unavailable}
	running := progress.Job{State: "running", AttemptedAt: at(-2 * time.Second), Worker: "host_1"}
	abandoned := running
	abandoned.WorkerGone = true
	again, stuck := running, running
	again.Failures, again.Code, stuck.AttemptedAt = 7, order.Unavailable, at(-time.Hour)
	requeued, unclaimed := *available, *available
	requeued.Failures, requeued.Code, requeued.ScheduledAt = 7, order.Unavailable, *at(-time.Second)
	unclaimed.ScheduledAt = *at(-time.Hour)
	unscheduled := *retryable
	unscheduled.ScheduledAt = *at(-time.Hour)

	const failed = "has failed 7 times (the database could not be reached)"

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
		"one ahead":     {work: progress.Step{Job: available, Workers: 1, Ahead: 1}, code: explain.Queued, text: "Nothing is wrong: 1 order is ahead"},
		"40 ahead":      {work: progress.Step{Job: available, Workers: 1, Ahead: 40}, code: explain.Queued, text: "Nothing is wrong: 40 orders are ahead"},
		"very many":     {work: progress.Step{Job: available, Workers: 1, Ahead: progress.MaxAhead + 1}, code: explain.Queued, text: "more than 10000 orders are ahead"},
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
		"dead, for good":          {work: progress.Step{Letter: &permanent}, code: explain.DeadLetter, text: "decided about by the next sweep", link: "/dead-letters/7"},
		"dead, redrives spent":    {work: progress.Step{Letter: &spent}, code: explain.DeadLetter, text: "decided about by the next sweep", link: "/dead-letters/7"},
		"a live job beats letter": {work: progress.Step{Job: available, Workers: 1, Letter: &attention}, code: explain.Queued, text: "Nothing is wrong"},
		"failed, running again":   {work: progress.Step{Job: &again, Workers: 1}, code: explain.Retrying, text: failed},
		"failed, available again": {work: progress.Step{Job: &requeued, Workers: 1}, code: explain.AwaitingRetry, text: failed},
		"redriven, running":       {work: progress.Step{Job: &running, Workers: 1, Before: &letter}, code: explain.Retrying, text: "running again on worker host_1 since 2026-01-05 09:29:58 UTC. It is a redrive of job 7, which was dead at 2026-01-05 09:29:00 UTC"},
		"redriven, available":     {work: progress.Step{Job: available, Workers: 1, Before: &letter}, code: explain.AwaitingRetry, text: "a redrive of job 7"},
		"failed, paused":          {work: progress.Step{Job: &requeued, Workers: 1, Paused: at(-time.Hour)}, code: explain.QueuePaused, text: failed},
		"failed, no worker":       {work: progress.Step{Job: &requeued}, code: explain.NoWorker, text: failed},
		"runs for too long":       {work: progress.Step{Job: &stuck, Workers: 1}, code: explain.Overdue, text: "longer than an attempt may take"},
		"is not taken":            {work: progress.Step{Job: &unclaimed, Workers: 1}, code: explain.Overdue, text: "no worker has taken it since"},
		"is not reached":          {work: progress.Step{Job: &unclaimed, Workers: 1, Ahead: 40}, code: explain.Overdue, text: "The points job has waited since 2026-01-05 08:30:00 UTC: 40 orders are ahead"},
		"is not made available":   {work: progress.Step{Job: &unscheduled, Workers: 1}, code: explain.Overdue, text: "the leader has not made it available"},
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
			Upkeep: progress.Queue{Workers: 1},
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

// What the system does by itself is not promised while nothing does it.
func TestExplainPromisesOnlyWhatHappens(t *testing.T) {
	t.Parallel()

	letter := &progress.Letter{JobID: 7, DeadAt: *at(-time.Hour), Code: order.Internal, Reason: "permanent"}
	fresh, failing, given, transient := *letter, *letter, *letter, *letter
	fresh.DeadAt = *at(-time.Second)
	failing.Sweeps = 2
	given.Sweeps, given.Attention = 3, true
	transient.Reason = "transient"

	alive := progress.Facts{Now: now, Leader: true, Upkeep: progress.Queue{Workers: 1}}
	paused, idle, headless, broken, silent := alive, alive, alive, alive, alive
	paused.Upkeep.Paused = at(-time.Hour)
	idle.Upkeep.Workers = 0
	headless.Leader = false
	broken.Sweeps = map[string]progress.Sweep{}
	silent.Sweeps = map[string]progress.Sweep{}

	for _, name := range []string{progress.SweepExpire, progress.SweepGiveUp, progress.SweepRedrive, progress.SweepMissingAgain} {
		broken.Sweeps[name] = progress.Sweep{Name: name, RanAt: now, FailedAt: at(-time.Minute), Failures: 5}
		silent.Sweeps[name] = progress.Sweep{Name: name, RanAt: *at(-time.Hour)}
	}

	confirmed := order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Waiting, order.Done)}
	overdue := order.Order{Status: order.AwaitingPayment, HoldUntil: at(-7 * time.Minute), Steps: steps(order.Done, order.Waiting, order.Done)}
	deadExpire := progress.Step{Letter: letter}
	pausedExpire := progress.Step{Job: &progress.Job{State: "available", ScheduledAt: *at(-7 * time.Minute)}, Workers: 1, Paused: at(-time.Hour)}

	for name, c := range map[string]struct {
		facts progress.Facts
		order order.Order
		step  order.StepName // points by default
		work  progress.Step
		code  explain.Code
		texts []string
	}{
		"a letter, just now":           {facts: alive, work: progress.Step{Letter: &fresh}, code: explain.DeadLetter, texts: []string{"is decided about by the next sweep."}},
		"a letter, an hour ago":        {facts: alive, work: progress.Step{Letter: letter}, code: explain.DeadLetter, texts: []string{"since 2026-01-05 08:30:00 UTC, and has not been."}},
		"a letter, sweeps fail for it": {facts: alive, work: progress.Step{Letter: &failing}, code: explain.DeadLetter, texts: []string{"2 sweeps have failed to undo the order"}},
		"a letter, given to operators": {facts: alive, work: progress.Step{Letter: &given}, code: explain.DeadLetter, texts: []string{"3 sweeps have failed", "an operator must decide"}},
		"a letter, maintenance paused": {facts: paused, work: progress.Step{Letter: &fresh}, code: explain.DeadLetter, texts: []string{"The maintenance queue has been paused since 2026-01-05 08:30:00 UTC"}},
		"a redrive, due long ago":      {facts: alive, work: progress.Step{Letter: &transient}, code: explain.DeadLetter, texts: []string{"should be redriven since 2026-01-05 08:31:00 UTC"}},
		"a redrive, sweeps fail":       {facts: broken, work: progress.Step{Letter: &transient}, code: explain.DeadLetter, texts: []string{"The last 5 sweeps failed", "09:29:00"}},
		"no job, no worker":            {facts: idle, code: explain.JobMissing, texts: []string{"No worker is alive that works the maintenance queue"}},
		"no job, no leader":            {facts: headless, code: explain.JobMissing, texts: []string{"only the leader starts sweeps"}},
		"no job, no sweep for long":    {facts: silent, code: explain.JobMissing, texts: []string{"The last sweep ended at 2026-01-05 08:30:00 UTC"}},
		"no job":                       {facts: alive, code: explain.JobMissing, texts: []string{"a sweep enqueues it within minutes"}},
		"overdue, expire is dead": {
			facts: broken, order: overdue, step: progress.Expire, work: deadExpire, code: explain.Overdue,
			texts: []string{"was due at 2026-01-05 09:23:00 UTC, but the order has not expired", "The expire job has been dead since", "5 sweeps failed"},
		},
		"overdue, lifecycle is paused": {
			facts: paused, order: overdue, step: progress.Expire, work: pausedExpire, code: explain.Overdue,
			texts: []string{"The queue of the expire job has been paused since", "The maintenance queue has been paused"},
		},
		"overdue, nothing is there": {facts: alive, order: overdue, step: progress.Expire, code: explain.Overdue, texts: []string{"It has no expire job."}},
	} {
		f := c.facts
		if f.Order = c.order; f.Order.Status == "" {
			f.Order, c.step = confirmed, order.Points
		}

		f.Work = map[order.StepName]progress.Step{c.step: c.work}

		got := explain.Explain(f, []time.Duration{time.Minute})
		if got.Code != c.code {
			t.Errorf("%s: %s %q, want %s", name, got.Code, got.Text, c.code)
		}

		for _, text := range c.texts {
			if !strings.Contains(got.Text, text) {
				t.Errorf("%s: %q does not say %q", name, got.Text, text)
			}
		}

		if strings.Contains(got.Text, "Nothing is wrong") || strings.Contains(got.Text, "about to") {
			t.Errorf("%s: %q", name, got.Text)
		}
	}
}
