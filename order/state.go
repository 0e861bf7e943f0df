package order

// An Event is something that happens to an order and may move it.
type Event string

// The events.
const (
	Reserve Event = "reserve" // there is stock for all lines
	Hold    Event = "hold"    // there is stock, and payment is waited for
	Reject  Event = "reject"  // a line has no stock
	Pay     Event = "pay"
	Cancel  Event = "cancel"
	Expire  Event = "expire"  // a deadline passed: of payment, or of being settled at all
	GiveUp  Event = "give up" // the inventory job is dead and will not be tried again
)

// moves are all the moves there are; what is not listed is refused.
//
//	           reserve                pay
//	pending ─────────────► confirmed ◄───── awaiting_payment
//	   │  └─────── hold ──────────│──────────────► │
//	   │ reject   ► rejected      │ cancel         │ cancel ► cancelled
//	   │ expire   ► expired       ▼                │ expire ► expired
//	   │ give up  ► failed    cancelled
//	   │ cancel   ► cancelled
var moves = map[Status]map[Event]Status{
	Pending: {
		Reserve: Confirmed,
		Hold:    AwaitingPayment,
		Reject:  Rejected,
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
		Cancel: Cancelled, // asked again: it is done
	},
}

// Next is the status that an event moves an order to. It refuses with
// [StateConflict] what the order's status forbids.
func (s Status) Next(e Event) (Status, error) {
	next, allowed := moves[s][e]
	if !allowed {
		refusal := Errorf(StateConflict, "The order is %s: it is too late, or too early, to %s it.", s, e)
		refusal.Current = s

		return s, refusal
	}

	return next, nil
}

// Final tells whether nothing can happen to an order any more.
func (s Status) Final() bool {
	switch s {
	case Rejected, Expired, Cancelled, Failed:
		return true
	case Pending, AwaitingPayment, Confirmed:
	}

	return false
}

// Statuses are all that an order may have.
func Statuses() []Status {
	return []Status{Pending, AwaitingPayment, Confirmed, Rejected, Expired, Cancelled, Failed}
}
