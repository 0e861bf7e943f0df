package jobs

import (
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// A Policy is how jobs of one kind are queued, run and retried.
type Policy struct {
	Queue       string
	MaxAttempts int           // runs before the job is dead; 0 for Settings.Attempts
	Timeout     time.Duration // of one run; the rescuer waits for it, too
	BackoffBase time.Duration // wait before the second run, doubled before each that follows
	BackoffMax  time.Duration // bound of that doubling
	Every       time.Duration // period of a periodic kind, else 0
}

// MaxDeaths is how many processes may end while a job runs until it is taken for
// the cause. The trigger that writes dead letters knows the number, too.
const MaxDeaths = 3

// Settings are what operators may choose about jobs.
type Settings struct {
	Attempts        int           // runs of a step before it is dead
	CompensateEvery time.Duration // period of the sweep
	KeepCompleted   time.Duration // how long completed jobs stay to be looked at
}

// Defaults are the settings of who chooses nothing.
func Defaults() Settings {
	return Settings{Attempts: 10, CompensateEvery: 30 * time.Second, KeepCompleted: 5 * time.Minute}
}

// step is the policy that the steps of an order share. One that fails is tried
// for about eight minutes: long enough for a database failover, short enough for
// the customer to hear of it.
func step(queue string) Policy {
	return Policy{
		Queue:       queue,
		Timeout:     10 * time.Second,
		BackoffBase: time.Second,
		BackoffMax:  5 * time.Minute,
	}
}

// sweep is the policy of the periodic kinds: the next period is their retry.
func sweep(every time.Duration) Policy {
	return Policy{
		Queue:       QueueMaintenance,
		MaxAttempts: 3,
		Timeout:     time.Minute,
		BackoffBase: 5 * time.Second,
		BackoffMax:  time.Minute,
		Every:       every,
	}
}

// policies is the job table.
var policies = map[string]Policy{
	Inventory{}.Kind():    step(QueueInventory),
	Points{}.Kind():       step(QueuePoints),
	Notification{}.Kind(): step(QueueNotification),
	Expire{}.Kind():       step(QueueLifecycle),
	Compensate{}.Kind():   sweep(Defaults().CompensateEvery),
	Audit{}.Kind():        sweep(5 * time.Minute),
	Prune{}.Kind():        sweep(time.Minute),
}

// PolicyOf gives a kind's row of the job table; the zero Policy for a kind that is not ours.
func PolicyOf(kind string) Policy { return policies[kind] }

// Queues lists the queues of the job table.
func Queues() []string {
	return []string{QueueInventory, QueuePoints, QueueNotification, QueueLifecycle, QueueMaintenance}
}

// Periodic lists the jobs that the elected leader enqueues by the clock. A
// restart resets River's clock, hence RunOnStart; uniqueness by period keeps a
// row of restarts from running them more often.
func Periodic(s Settings) []*river.PeriodicJob {
	return []*river.PeriodicJob{
		every(s.CompensateEvery, Compensate{}),
		every(PolicyOf(Audit{}.Kind()).Every, Audit{}),
		every(PolicyOf(Prune{}.Kind()).Every, Prune{}),
	}
}

func every(period time.Duration, args river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(
		river.PeriodicInterval(period),
		func() (river.JobArgs, *river.InsertOpts) {
			return args, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByPeriod: period}}
		},
		&river.PeriodicJobOpts{ID: args.Kind(), RunOnStart: true},
	)
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

// insertOpts makes River's options of a kind's policy. An order's work is unique
// while it lives, which spares work at enqueue and finds the order's jobs; it is not
// what makes effects happen once, so a job that has completed stands in nobody's way.
// A periodic one does, by River's default states, or it would run twice in a period.
func insertOpts(args river.JobArgs) river.InsertOpts {
	p := PolicyOf(args.Kind())
	opts := river.InsertOpts{Queue: p.Queue, MaxAttempts: p.MaxAttempts}

	if p.Every > 0 {
		opts.UniqueOpts = river.UniqueOpts{ByPeriod: p.Every}
	} else {
		opts.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: live}
	}

	return opts
}

// live are the states of a job that is not over.
var live = []rivertype.JobState{
	rivertype.JobStateAvailable,
	rivertype.JobStatePending,
	rivertype.JobStateRetryable,
	rivertype.JobStateRunning,
	rivertype.JobStateScheduled,
}
