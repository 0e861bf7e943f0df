package jobs

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"orders/order"
)

// The queues beside those of the steps. Each step has a queue of its own name, so that no
// step waits behind another. The maintenance queue is for periodic sweeps only: the next
// period repeats a sweep, so a failed sweep leaves no dead letter.
const (
	QueueLifecycle   = "lifecycle"
	QueueMaintenance = "maintenance"
	QueueDelivery    = "delivery"
)

// A Policy is how jobs of one kind are queued, run and retried.
type Policy struct {
	Kind        string
	Does        string // for README and --help
	Queue       string
	MaxAttempts int           // attempts before the job is dead; 0 for Settings.Attempts
	Timeout     time.Duration // of one attempt; River's rescuer waits at least as long
	BackoffBase time.Duration // wait before the second attempt; doubled before each attempt after it
	BackoffMax  time.Duration // bound of the doubling
	Every       time.Duration // period of a periodic kind; else 0
}

// MaxDeaths is how many processes may die while a job runs. After that many, the job is
// regarded as the cause and does not run again.
const MaxDeaths = 3

// Our keys of a job's metadata. The SQL functions failure_code, failure_class, orders_of_job
// and keep_dead_letter read them, too; a test compares the two.
const (
	MetaOrders    = "orders:count"      // how many orders share the job
	MetaFailures  = "orders:failures"   // code and class of the error of each failed attempt
	MetaRescued   = "orders:rescued"    // how often another worker has rescued the job
	MetaAlone     = "orders:alone"      // the job is the only suspect that runs in its process
	MetaRedriveOf = "orders:redrive_of" // id of the dead letter whose work the job has
	MetaRedrives  = "orders:redrives"   // how many redrives led to the job
)

// MetaRescuedByRiver is River's key: how often its own rescuer has rescued the job.
const MetaRescuedByRiver = "river:rescue_count"

// Settings are what operators may choose about jobs.
type Settings struct {
	Attempts        int           // of a step's job before it is dead
	CompensateEvery time.Duration // period of compensate
	KeepCompleted   time.Duration // how long completed jobs stay visible in River UI
	KeepEvents      time.Duration // how long other services can read events
	OrdersPerJob    int           // orders placed together that share a job at most; 1 gives each order its own
	Alert           bool          // whether alert runs
}

// Defaults are the settings of a program that sets none.
func Defaults() Settings {
	return Settings{
		Attempts: 10, CompensateEvery: 30 * time.Second, KeepCompleted: 5 * time.Minute, KeepEvents: 7 * 24 * time.Hour, OrdersPerJob: 256,
	}
}

// policies is the job table, in the order in which it is shown: the steps come first.
var policies = func() []Policy {
	var table []Policy

	for _, s := range order.Steps() {
		table = append(table, ofOrder(string(s.Name), string(s.Name), s.Does))
	}

	return append(table,
		ofOrder(KindExpire, QueueLifecycle, "at a held order's deadline: ends the order if it is not paid"),
		following(KindDeliverWebhook,
			"one job a webhook, always there: sends it the events behind its position, and again what has not arrived"),
		following(KindDeliverMail, "one job, if `SMTP_URL` is set: sends customers by mail what their inbox has"),
		sweep(KindCompensate, Defaults().CompensateEvery,
			"every 30 s: redrives dead letters or undoes their orders, expires overdue orders, enqueues missing jobs"),
		sweep(KindAudit, 5*time.Minute, "every 5 min: checks the invariants on what is new"),
		sweep(KindStats, time.Minute, "every minute: counts what was placed, settled and ended in each minute, and how long it took"),
		sweep(KindPrune, time.Minute,
			"every minute: deletes Idempotency-Keys past 24 hours, failed attempts of deleted jobs past 48 (their counts stay), "+
				"statistics past 35 days, old events"),
		sweep(KindAlert, 30*time.Second, "every 30 s, if `ORDERS_ALERT_WEBHOOK` is set: posts to it which conditions have begun and ended"),
	)
}()

// ofOrder is the policy of a kind that works on one order. The waits between ten attempts
// add up to four to nine minutes: long enough for a database failover, and short enough
// that the customer soon learns of a failure.
func ofOrder(kind, queue, does string) Policy {
	return Policy{
		Kind:        kind,
		Does:        does,
		Queue:       queue,
		Timeout:     10 * time.Second,
		BackoffBase: time.Second,
		BackoffMax:  5 * time.Minute,
	}
}

// following is the policy of a kind that follows the log of events for as long as there is an endpoint.
func following(kind, does string) Policy {
	return Policy{
		Kind:        kind,
		Does:        does,
		Queue:       QueueDelivery,
		MaxAttempts: math.MaxInt16,
		Timeout:     2 * time.Minute, //nolint:mnd // more than a run and its longest attempts
		BackoffBase: time.Second,
		BackoffMax:  30 * time.Second,
	}
}

// sweep is the policy of a periodic kind: the next period is its retry.
func sweep(kind string, every time.Duration, does string) Policy {
	return Policy{
		Kind:        kind,
		Does:        does,
		Queue:       QueueMaintenance,
		MaxAttempts: 3,
		Timeout:     time.Minute,
		BackoffBase: 5 * time.Second,
		BackoffMax:  time.Minute,
		Every:       every,
	}
}

// Policies lists the job table.
func Policies() []Policy { return slices.Clone(policies) }

// PolicyOf finds a kind's row of the job table; the zero Policy if the kind is not ours. A
// step has one row, for the jobs of one order and for those of several.
func PolicyOf(kind string) Policy {
	if step, isStep := StepOf(kind); isStep {
		kind = string(step.Name)
	}

	for _, p := range policies {
		if p.Kind == kind {
			return p
		}
	}

	return Policy{}
}

// Redrivable tells whether the work of a dead job of the kind may get a new job: the kind
// is ours and not periodic, and nothing else enqueues it again.
func Redrivable(kind string) bool {
	p := PolicyOf(kind)

	return p.Kind != "" && p.Every == 0 && p.Queue != QueueDelivery
}

// Concurrency is how many jobs of each queue a worker runs at once by default. The jobs of
// a step share transactions and mostly wait for them, so many of them cost little. But each
// may be of 256 orders, and all that a worker has fetched must be done within the timeout of
// an attempt: 100 jobs of 256 orders take 5 s at 5,000 orders a second, and 500 would take 25 s.
func Concurrency() map[string]int {
	queues := map[string]int{QueueLifecycle: 50, QueueDelivery: 50, QueueMaintenance: 2}

	for _, queue := range StepQueues() {
		queues[queue] = 100
	}

	return queues
}

// StepQueues lists the queues of the declared steps.
func StepQueues() []string {
	steps := order.Steps()
	queues := make([]string, len(steps))

	for i, s := range steps {
		queues[i] = PolicyOf(string(s.Name)).Queue
	}

	return queues
}

// Periodic lists the jobs that the elected leader enqueues periodically. A restart resets
// River's clock, hence RunOnStart. The jobs are unique in their period, so restarts do not
// make them run more often.
func Periodic(s Settings) []*river.PeriodicJob {
	list := []*river.PeriodicJob{
		every(s.CompensateEvery, Compensate{}),
		every(PolicyOf(KindAudit).Every, Audit{}),
		every(PolicyOf(KindStats).Every, Stats{}),
		every(PolicyOf(KindPrune).Every, Prune{}),
	}

	if s.Alert {
		list = append(list, every(PolicyOf(KindAlert).Every, Alert{}))
	}

	return list
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

// RetryAfter is how long a job waits after its nth failed attempt (n from 1). It grows
// exponentially up to BackoffMax, minus a random part of up to half. So jobs that failed
// together do not run again together. This is "equal jitter" in Exponential Backoff And
// Jitter, AWS Architecture Blog, 2015.
func (p Policy) RetryAfter(n int) time.Duration {
	wait := p.LongestRetryAfter(n)
	if wait <= 1 {
		return wait
	}

	return wait/2 + rand.N(wait/2) //nolint:gosec // jitter, not a secret
}

// LongestRetryAfter is the bound of [Policy.RetryAfter].
func (p Policy) LongestRetryAfter(n int) time.Duration {
	const maxDoublings = 20 // keeps the shift inside int64

	return min(p.BackoffBase<<min(max(n-1, 0), maxDoublings), p.BackoffMax)
}

// insertOpts makes River's options of a kind's policy. A job of an order is unique while
// it is live: this saves duplicate jobs, and an order's jobs are found by the key. It is
// not what makes effects happen once, so a completed job blocks no other. A completed
// periodic job does block another, or it would run twice in a period.
func insertOpts(kind string) river.InsertOpts {
	p := PolicyOf(kind)
	opts := river.InsertOpts{Queue: p.Queue, MaxAttempts: p.MaxAttempts}

	if p.Every > 0 {
		opts.UniqueOpts = river.UniqueOpts{ByPeriod: p.Every}
	} else {
		opts.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: live}
	}

	return opts
}

// live are the states of a job that has not ended.
var live = []rivertype.JobState{
	rivertype.JobStateAvailable,
	rivertype.JobStatePending,
	rivertype.JobStateRetryable,
	rivertype.JobStateRunning,
	rivertype.JobStateScheduled,
}
