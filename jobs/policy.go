package jobs

import (
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"
)

// A Policy is how jobs of one kind are queued, run and retried.
type Policy struct {
	Queue       string
	MaxAttempts int           // runs before the job is dead
	Timeout     time.Duration // of one run; the rescuer waits for it, too
	BackoffBase time.Duration // wait before the second run, doubled before each that follows
	BackoffMax  time.Duration // bound of that doubling
	Every       time.Duration // period of a periodic kind, else 0
}

// step is the policy that the steps of an order share. One that fails is tried
// for about eight minutes: long enough for a database failover, short enough for
// the customer to hear of it.
func step(queue string) Policy {
	return Policy{
		Queue:       queue,
		MaxAttempts: 10,
		Timeout:     10 * time.Second,
		BackoffBase: time.Second,
		BackoffMax:  5 * time.Minute,
	}
}

// policies is the job table.
var policies = map[string]Policy{
	Inventory{}.Kind():    step(QueueInventory),
	Points{}.Kind():       step(QueuePoints),
	Notification{}.Kind(): step(QueueNotification),
	Prune{}.Kind(): {
		Queue:       QueueMaintenance,
		MaxAttempts: 3,
		Timeout:     time.Minute,
		BackoffBase: time.Minute,
		BackoffMax:  5 * time.Minute,
		Every:       time.Hour,
	},
}

// PolicyOf gives a kind's row of the job table; the zero Policy for a kind that is not ours.
func PolicyOf(kind string) Policy { return policies[kind] }

// Queues lists the queues of the job table.
func Queues() []string {
	return []string{QueueInventory, QueuePoints, QueueNotification, QueueMaintenance}
}

// Periodic lists the jobs that the elected leader enqueues by the clock. A
// restart resets River's clock, hence RunOnStart; uniqueness by period keeps a
// row of restarts from running them more often.
func Periodic() []*river.PeriodicJob {
	prune := Prune{}

	return []*river.PeriodicJob{
		river.NewPeriodicJob(
			river.PeriodicInterval(PolicyOf(prune.Kind()).Every),
			func() (river.JobArgs, *river.InsertOpts) { return prune, nil },
			&river.PeriodicJobOpts{ID: prune.Kind(), RunOnStart: true},
		),
	}
}

// RetryAfter is how long a job waits after its nth failed run (n from 1):
// exponential, at most BackoffMax, of which a random half is taken off so that
// jobs that failed together do not come back together ("equal jitter" of
// Exponential Backoff And Jitter, AWS Architecture Blog, 2015).
func (p Policy) RetryAfter(n int) time.Duration {
	const maxDoublings = 20 // keeps the shift inside int64

	wait := min(p.BackoffBase<<min(max(n-1, 0), maxDoublings), p.BackoffMax)
	if wait <= 1 {
		return wait
	}

	return wait/2 + rand.N(wait/2) //nolint:gosec // jitter, not a secret
}

// insertOpts makes River's options of a kind's policy. Uniqueness keeps River's
// default states: it spares work at enqueue, it is not what makes effects happen once.
func insertOpts(args river.JobArgs) river.InsertOpts {
	p := PolicyOf(args.Kind())

	return river.InsertOpts{
		Queue:       p.Queue,
		MaxAttempts: p.MaxAttempts,
		UniqueOpts:  river.UniqueOpts{ByArgs: p.Every == 0, ByPeriod: p.Every},
	}
}
