package order

import "time"

// A Step is one of the three pieces of asynchronous work that an order causes.
type Step struct {
	Name      StepName   `json:"name" enum:"inventory,points,notification"`
	State     StepState  `json:"state" enum:"waiting,done,skipped,retrying,dead"`
	At        *time.Time `json:"at" doc:"When it was done or skipped, else null"`
	Attempts  int        `json:"attempts" doc:"Runs of the job that does it, or that died over it; 0 once neither is there any more"`
	LastError string     `json:"last_error" doc:"Why the last run did not succeed; empty once it has"`
}

// StepName names a step; it is the kind of the step's job, too.
type StepName string

// The steps, in the order in which they are shown.
const (
	Inventory    StepName = "inventory"
	Points       StepName = "points"
	Notification StepName = "notification"
)

// StepState says how far a step is.
type StepState string

// The states of a step.
const (
	Waiting  StepState = "waiting"  // its job has not run yet, or runs now
	Done     StepState = "done"     // the ledger holds its effect
	Skipped  StepState = "skipped"  // the ledger nets to zero: it was undone, or must not happen any more
	Retrying StepState = "retrying" // a run failed, another is due
	Dead     StepState = "dead"     // its job was given up
)

// An Effect is what the ledger says of a step: that it happened, or that it nets
// to zero because it was voided before it could, or undone after.
type Effect struct {
	At   time.Time
	Void bool
}

// A Run is what the queue says of a step's newest job.
type Run struct {
	State     string // River's state
	Attempts  int
	LastError string // the queue's own record, not for customers
}

// StepOf derives a step from the two places that know: the ledger decides, the
// queue tells how it goes until then. Either may be nil.
func StepOf(name StepName, effect *Effect, run *Run) Step {
	step := Step{Name: name, State: Waiting}
	if run != nil {
		step.Attempts = run.Attempts
	}

	switch {
	case effect != nil:
		step.At = &effect.At
		step.State = Done

		if effect.Void {
			step.State = Skipped
		}
	case run == nil:
	case run.State == "discarded" || run.State == "cancelled":
		step.State = Dead
		step.LastError = PublicError(run.LastError)
	case run.LastError != "":
		step.State = Retrying
		step.LastError = PublicError(run.LastError)
	}

	return step
}
