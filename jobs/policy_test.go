package jobs_test

import (
	"slices"
	"testing"
	"time"

	"orders/jobs"
	"orders/order"
)

func TestEveryKindHasAPolicy(t *testing.T) {
	t.Parallel()

	known := map[string]bool{}

	for _, args := range all() {
		kind := args.Kind()
		known[kind] = true

		p := jobs.PolicyOf(kind)
		if p.Kind != kind || p.Does == "" || p.Queue == "" || p.MaxAttempts == 1 || p.Timeout <= 0 || p.BackoffBase <= 0 || p.BackoffMax < p.BackoffBase {
			t.Errorf("%s: %+v", kind, p)
		}

		if jobs.Concurrency()[p.Queue] <= 0 {
			t.Errorf("no process works the queue %s of %s jobs", p.Queue, kind)
		}

		opts := args.InsertOpts()
		if opts.Queue != p.Queue || opts.MaxAttempts != p.MaxAttempts || opts.UniqueOpts.ByArgs == (opts.UniqueOpts.ByPeriod > 0) {
			t.Errorf("%s is enqueued with %+v", kind, opts)
		}
	}

	for _, p := range jobs.Policies() {
		if !known[p.Kind] {
			t.Errorf("there is a policy, but no job, of kind %s", p.Kind)
		}
	}
}

func TestEveryStepHasAQueueOfItsOwn(t *testing.T) {
	t.Parallel()

	steps := order.Steps()
	policies := jobs.Policies()

	for i, step := range steps {
		if p := policies[i]; p.Kind != string(step.Name) || p.Queue != string(step.Name) || p.Does != step.Does || p.Every != 0 {
			t.Errorf("row %d of the job table is %+v, want that of %s", i, p, step.Name)
		}

		if !slices.Contains(jobs.StepQueues(), string(step.Name)) {
			t.Errorf("%s is not among the steps' queues", step.Name)
		}
	}

	if got := len(jobs.StepQueues()); got != len(steps) {
		t.Errorf("%d queues for %d steps", got, len(steps))
	}

	// A sweep leaves no dead letter, by its queue: the trigger knows no kinds.
	for _, p := range policies {
		if (p.Every > 0) != (p.Queue == jobs.QueueMaintenance) {
			t.Errorf("%s is on the queue %s", p.Kind, p.Queue)
		}
	}
}

func TestRetryAfterGrowsWithJitterToItsBound(t *testing.T) {
	t.Parallel()

	p := jobs.PolicyOf("points")

	for n, full := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 1_000: 5 * time.Minute,
	} {
		seen := map[time.Duration]bool{}

		for range 100 {
			wait := p.RetryAfter(n)
			if wait < full/2 || wait >= full {
				t.Fatalf("after attempt %d: %s, want %s to %s", n, wait, full/2, full)
			}

			seen[wait] = true
		}

		if len(seen) < 50 {
			t.Errorf("after attempt %d: %d different waits of 100: no jitter", n, len(seen))
		}
	}
}
