package order

// An Event happens to an order and may move it to another status.
type Event string

// The events.
const (
	Reserve Event = "reserve" // there is stock for all lines
	Hold    Event = "hold"    // there is stock for all lines, and the order waits for payment
	Reject  Event = "reject"  // there is not enough stock for a line
	Pay     Event = "pay"
	Cancel  Event = "cancel"
	Expire  Event = "expire"  // a deadline has passed: for payment, or for leaving pending
	GiveUp  Event = "give up" // the inventory job is dead and is not redriven
)

// moves are all the moves there are, as the package comment draws them. A move that is
// not listed is refused.
var moves = map[Status]map[Event]Status{
	Pending: {
		Reserve: Confirmed,
		Hold:    AwaitingPayment,
		Reject:  Rejected,
		Pay:     Pending, // the payment is kept until there is stock
		Cancel:  Cancelled,
		Expire:  Expired,
		GiveUp:  Failed,
	},
	AwaitingPayment: {
		Pay:    Confirmed,
		Cancel: Cancelled,
		Expire: Expired,
	},
	Confirmed: {
		Cancel: Cancelled,
	},
	Cancelled: {
		Cancel: Cancelled, // requested again: it is done
	},
}

// Next is the status to which an event moves an order. If the status forbids the event,
// Next returns [StateConflict].
func (s Status) Next(e Event) (Status, error) {
	next, allowed := moves[s][e]
	if !allowed {
		refusal := Errorf(StateConflict, "Cannot %s the order: its status is %s.", e, s)
		refusal.Current = s

		return s, refusal
	}

	return next, nil
}

// Expires tells whether an order in this status ends when its deadline passes.
func (s Status) Expires() bool {
	_, allowed := moves[s][Expire]

	return allowed
}

// Final tells whether an order in this status nets to zero and moves no further.
func (s Status) Final() bool {
	switch s {
	case Rejected, Expired, Cancelled, Failed:
		return true
	case Pending, AwaitingPayment, Confirmed:
	}

	return false
}

// Statuses lists the statuses that an order may have.
func Statuses() []Status {
	return []Status{Pending, AwaitingPayment, Confirmed, Rejected, Expired, Cancelled, Failed}
}
