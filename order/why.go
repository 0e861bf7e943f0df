package order

import (
	"cmp"
	"slices"
	"time"
)

// A ReasonCode names one answer to the question why an order has not settled.
type ReasonCode string

// The codes, what wants somebody's hand before what needs but time: the first
// that holds is the answer.
const (
	DeadLettered   ReasonCode = "dead-letter"      // a step's job has failed for good and waits for a redrive
	GivenUp        ReasonCode = "given-up"         // a step's job was cancelled, or its letter put away
	QueuePaused    ReasonCode = "queue-paused"     // an operator has paused the step's queue
	NoWorker       ReasonCode = "no-worker"        // no process works the step's queue
	NoLeader       ReasonCode = "no-leader"        // nobody puts the jobs that are due back into their queues
	JobMissing     ReasonCode = "job-missing"      // the step has no job; the next sweep gives it one
	WorkerGone     ReasonCode = "worker-gone"      // the step's worker has died; the job goes back by itself
	AwaitingRetry  ReasonCode = "retry"            // a run has failed, another is due
	PaymentAwaited ReasonCode = "awaiting-payment" // the order is held
	AwaitingTime   ReasonCode = "scheduled"        // the step's job is due later
	AwaitingTurn   ReasonCode = "queued"           // nothing is wrong
	RunningNow     ReasonCode = "running"          // nothing is wrong
	UnknownReason  ReasonCode = "unknown"          // what was read tells of nothing; look again
	SettledReason  ReasonCode = "settled"          // it has settled
	FinalReason    ReasonCode = "final"            // it has settled, and is over
)

// MaxAhead bounds how many jobs are counted: more than that are "more than".
const MaxAhead = 10_000

// ranks has the codes of what keeps an order from settling, the first to be told first.
var ranks = []ReasonCode{
	DeadLettered, GivenUp, QueuePaused, NoWorker, NoLeader, JobMissing,
	WorkerGone, AwaitingRetry, PaymentAwaited, AwaitingTime, AwaitingTurn, RunningNow,
}

// A Reason is why an order, or one of its steps, has not settled.
type Reason struct {
	Code  ReasonCode `json:"code" enum:"dead-letter,given-up,queue-paused,no-worker,no-leader,job-missing,worker-gone,retry,awaiting-payment,scheduled,queued,running,unknown,settled,final" doc:"Which reason it is"`
	Text  string     `json:"text" doc:"The reason in words"`
	Step  StepName   `json:"step" enum:"inventory,points,notification," doc:"The step it is about; empty for the order itself"`
	Until *time.Time `json:"until" doc:"When it goes on by itself, if that is known, else null"`
	Link  string     `json:"link" doc:"Where there is more to read, else empty"`
}

// An Answer is the most important reason, and those of all steps and of the order itself.
type Answer struct {
	Reason

	Reasons []Reason `json:"reasons" nullable:"false" doc:"All reasons, the most important first; empty for an order that has settled"`
}

// Facts are what is known of an order at one moment.
type Facts struct {
	Now    time.Time
	Order  Order
	Leader bool // a process leads: moves what is due, sweeps up
	Work   map[StepName]Work

	RedriveAfter []time.Duration // when the sweep redrives a dead letter, counted from each death
}

// Work is what is known of a step's job and of those who should do it.
type Work struct {
	Job     *Job    // the newest; nil when there is none any more
	Letter  *Letter // the newest that is open; nil for none
	Paused  *time.Time
	Workers int // processes that live and work the queue
	Ahead   int // jobs that are before it in the queue, counted up to MaxAhead+1
}

// A Job is a step's job as the queue has it.
type Job struct {
	Queue       string
	State       string // River's
	Attempts    int
	LastError   string // the queue's own record
	ScheduledAt time.Time
	AttemptedAt *time.Time
	Worker      string // who runs it, or did last
	WorkerGone  bool   // and is known to be dead
}

// A Letter is a step's dead letter.
type Letter struct {
	JobID     int64
	DeadAt    time.Time
	Error     string // the queue's own record
	Reason    string // what kind of death it was
	Redrives  int    // so far
	Attention bool   // it is up to people now
}

// redriveAt is when the sweep gives the letter's work a new job; nil when it does not.
func (l *Letter) redriveAt(after []time.Duration) *time.Time {
	if l.Attention || l.Reason != "transient" && l.Reason != "poison" || l.Redrives >= len(after) {
		return nil
	}

	at := l.DeadAt.Add(after[l.Redrives])

	return &at
}

// Settled tells whether an order has come to rest: what may still happen to it,
// somebody has to ask for. A dead step rests, too.
func (o Order) Settled() bool {
	if o.Status == Pending || o.Status == AwaitingPayment {
		return false
	}

	return o.Status.Final() || !slices.ContainsFunc(o.Steps, func(s Step) bool {
		return s.State == Waiting || s.State == Retrying
	})
}

// Explain answers why the order has not settled, or that it has.
func Explain(f Facts) Answer {
	var reasons []Reason

	if f.Order.Status.Final() {
		return Answer{Reason: over(f.Order), Reasons: []Reason{}}
	}

	if f.Order.Status == AwaitingPayment {
		reasons = append(reasons, unpaid(f))
	}

	for _, s := range f.Order.Steps {
		if s.State == Done || s.State == Skipped || s.Name == Points && f.Order.unpaid() {
			continue // the points of a held order are for when it is paid
		}

		r := f.Work[s.Name].explain(s.Name, f)
		r.Step = s.Name
		reasons = append(reasons, r)
	}

	slices.SortStableFunc(reasons, func(a, b Reason) int {
		return cmp.Compare(slices.Index(ranks, a.Code), slices.Index(ranks, b.Code))
	})

	switch {
	case len(reasons) > 0:
		return Answer{Reason: reasons[0], Reasons: reasons}
	case f.Order.Settled():
		return Answer{Reason: Reason{Code: SettledReason, Text: "The order is confirmed and all its work is done."}, Reasons: []Reason{}}
	default:
		return Answer{Reason: Reason{Code: UnknownReason, Text: "Nothing is known to be in its way; look again."}, Reasons: []Reason{}}
	}
}

// unpaid tells whether the order is held and its payment has not come.
func (o Order) unpaid() bool {
	return o.HoldUntil != nil && (o.Status == Pending || o.Status == AwaitingPayment)
}
