package jobs_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"orders/jobs"
)

var kinds = []river.JobArgsWithInsertOpts{jobs.Inventory{}, jobs.Points{}, jobs.Notification{}, jobs.Prune{}}

func TestEveryKindHasAPolicy(t *testing.T) {
	t.Parallel()

	for _, args := range kinds {
		p := jobs.PolicyOf(args.(river.JobArgs).Kind())
		if p.Queue == "" || p.MaxAttempts < 2 || p.Timeout <= 0 || p.BackoffBase <= 0 || p.BackoffMax < p.BackoffBase {
			t.Errorf("%T: %+v", args, p)
		}

		opts := args.InsertOpts()
		if opts.Queue != p.Queue || opts.MaxAttempts != p.MaxAttempts || opts.UniqueOpts.ByArgs == (opts.UniqueOpts.ByPeriod > 0) {
			t.Errorf("%T is enqueued with %+v", args, opts)
		}
	}
}

func TestRetryAfterGrowsWithJitterToItsBound(t *testing.T) {
	t.Parallel()

	p := jobs.PolicyOf(jobs.Points{}.Kind())

	for n, full := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 1_000: 5 * time.Minute,
	} {
		seen := map[time.Duration]bool{}

		for range 100 {
			wait := p.RetryAfter(n)
			if wait < full/2 || wait >= full {
				t.Fatalf("after run %d: %s, want %s to %s", n, wait, full/2, full)
			}

			seen[wait] = true
		}

		if len(seen) < 50 {
			t.Errorf("after run %d: %d different waits of 100: no jitter", n, len(seen))
		}
	}
}

func TestForNewOrderEnqueuesEachStepOnItsQueue(t *testing.T) {
	t.Parallel()

	queues := map[string]bool{}
	for _, params := range jobs.ForNewOrder(uuid.New(), "created") {
		queues[jobs.PolicyOf(params.Args.Kind()).Queue] = true
	}

	if len(queues) != 3 {
		t.Errorf("queues %v", queues)
	}
}
