package jobs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"orders/jobs"
)

var kinds = []river.JobArgsWithInsertOpts{
	jobs.Inventory{}, jobs.Points{}, jobs.Notification{}, jobs.Expire{}, jobs.Compensate{}, jobs.Audit{}, jobs.Prune{},
}

func TestEveryKindHasAPolicy(t *testing.T) {
	t.Parallel()

	for _, args := range kinds {
		p := jobs.PolicyOf(args.(river.JobArgs).Kind())
		if p.Queue == "" || p.MaxAttempts == 1 || p.Timeout <= 0 || p.BackoffBase <= 0 || p.BackoffMax < p.BackoffBase {
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

	until := time.Now().Add(time.Hour)

	for name, test := range map[string]struct {
		hold *time.Time
		want []string
	}{
		"an order":   {want: []string{"inventory", "notification", "points"}},
		"a held one": {hold: &until, want: []string{"expire", "inventory", "notification"}},
	} {
		var got []string

		for _, params := range jobs.ForNewOrder(uuid.New(), "created", test.hold) {
			got = append(got, params.Args.Kind())

			if at := params.InsertOpts; at != nil && !at.ScheduledAt.Equal(until) {
				t.Errorf("%s is scheduled at %s", params.Args.Kind(), at.ScheduledAt)
			}
		}

		if slices.Sort(got); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestQueuesAreThoseOfTheKinds(t *testing.T) {
	t.Parallel()

	for _, args := range kinds {
		if queue := args.InsertOpts().Queue; !slices.Contains(jobs.Queues(), queue) {
			t.Errorf("%T waits on %s, which nobody works", args, queue)
		}
	}
}
