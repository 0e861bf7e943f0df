package order

import (
	"slices"
	"time"
)

// StepName names a step. It is also the kind and the queue of the step's job.
type StepName string

// The names of the steps.
const (
	Inventory    StepName = "inventory"
	Points       StepName = "points"
	Notification StepName = "notification"
)

// A Step declares one piece of the asynchronous work that an order causes. The
// declaration decides when the step's job is enqueued and what may become of it.
// What the step does is its flow.Spec. The table steps has the same declarations for
// SQL; a test compares the two.
type Step struct {
	Name         StepName
	Does         string   // what it does, for README and the API document
	DueIn        []Status // in these statuses the step must be done, or will be
	AfterPayment bool     // a held order gets the step when it is paid, and not before
	Template     Template // of the message that the step sends to the customer; empty for none
	Reversible   bool     // ending an order undoes it; for example, a message cannot be unsent
}

// steps declares the steps in the order in which they are shown.
var steps = []Step{
	{
		Name:       Inventory,
		Does:       "takes the stock of all lines or none: confirms the order, or rejects it and undoes the rest",
		DueIn:      []Status{Pending, AwaitingPayment, Confirmed},
		Reversible: true,
	},
	{
		Name:         Points,
		Does:         "gives the customer 10 points",
		DueIn:        []Status{Pending, Confirmed},
		AfterPayment: true,
		Reversible:   true,
	},
	{
		Name:     Notification,
		Does:     "puts a message into the customer's inbox",
		DueIn:    []Status{Pending, AwaitingPayment, Confirmed},
		Template: NoticeCreated,
	},
}

// Steps lists the declared steps in the order in which they are shown.
func Steps() []Step { return slices.Clone(steps) }

// StepOf finds the declaration of a step by its name; false if there is none.
func StepOf(name StepName) (Step, bool) {
	for _, s := range steps {
		if s.Name == name {
			return s, true
		}
	}

	return Step{}, false
}

// Due tells whether the step must be done, or will be, for an order in the status. held
// tells whether the order was placed to wait for payment.
func (s Step) Due(status Status, held bool) bool {
	if held && s.AfterPayment && status != Confirmed {
		return false
	}

	return slices.Contains(s.DueIn, status)
}

// BecomesDue tells whether the step becomes due by a move from one status to another.
func (s Step) BecomesDue(from, to Status, held bool) bool {
	return s.Due(to, held) && !s.Due(from, held)
}

// A StepProgress is how far a step of one order is.
type StepProgress struct {
	Name      StepName
	State     StepState
	At        *time.Time
	Attempts  *int // of the step's newest job; nil once the step has its effect, as its job is deleted then
	LastError string
}

// StepState is the state of a step of one order.
type StepState string

// The states of a step.
const (
	Waiting  StepState = "waiting"  // its job has not run yet, or runs for the first time
	Done     StepState = "done"     // the ledger holds its effect
	Skipped  StepState = "skipped"  // the ledger nets to zero: the step was undone, or must not happen any more
	Retrying StepState = "retrying" // an attempt failed, and another follows
	Dead     StepState = "dead"     // its job was given up
)

// StepStates lists the states of a step.
func StepStates() []StepState { return []StepState{Waiting, Done, Skipped, Retrying, Dead} }

// An Effect is what a step's ledger has of the step. The step happened, or it nets to
// zero: it was voided before it could happen, or undone afterwards.
type Effect struct {
	At   time.Time
	Void bool
}

// An Attempt is the newest attempt of a step's newest job.
type Attempt struct {
	Number int  // counted from 1; 0 if no attempt has begun
	Code   Code // of the newest error; empty for none
	Dead   bool // the job was given up
}

// ProgressOf derives a step's progress from the ledger and the queue. If there is an
// effect, it decides; without one, the attempt decides. Either may be nil.
func ProgressOf(name StepName, effect *Effect, attempt *Attempt) StepProgress {
	p := StepProgress{Name: name, State: Waiting, Attempts: new(int)}
	if attempt != nil {
		*p.Attempts = attempt.Number
	}

	switch {
	case effect != nil:
		p.At = &effect.At
		p.State = Done
		p.Attempts = nil

		if effect.Void {
			p.State = Skipped
		}
	case attempt == nil:
	case attempt.Dead:
		p.State = Dead
		p.LastError = PublicError(attempt.Code)
	case attempt.Code != "":
		p.State = Retrying
		p.LastError = PublicError(attempt.Code)
	}

	return p
}
