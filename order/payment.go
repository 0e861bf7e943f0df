package order

import "time"

// A Payment says that an order has been paid.
type Payment struct {
	Client    string // who sends it: two clients may use one reference. Empty if no token was asked for
	Reference string // the payment provider's name for the payment
	Amount    int64  // in minor units
	Currency  string // of the amount; empty if the sender does not say what was paid
}

// Accept decides whether a payment that comes now pays for the order. If the order does not
// wait for a payment, or the deadline has passed, the refusal is [StateConflict]: the job that
// expires the order may be late. If the payment is not the total, it is [PaymentMismatch].
func (o Order) Accept(p Payment, now time.Time) error {
	_, err := o.Status.Next(Pay)

	switch {
	case err != nil:
		return err
	case o.HoldUntil == nil:
		return o.unpayable("it was placed without hold_seconds, so it takes no payment.")
	case !o.HoldUntil.After(now):
		return o.unpayable("its payment was due at " + o.HoldUntil.UTC().Format(time.RFC3339) + ".")
	}

	if fields := p.differences(o.total()); p.Currency != "" && len(fields) > 0 {
		refusal := Errorf(PaymentMismatch, "The payment is %d %s, and the order's total is %d %s; they must be equal.",
			p.Amount, p.Currency, o.Total, o.Currency)
		refusal.Fields = fields

		return refusal
	}

	return nil
}

func (o Order) unpayable(why string) error {
	refusal := Errorf(StateConflict, "Cannot pay the order: %s", why)
	refusal.Current = o.Status

	return refusal
}

// AcceptAgain decides whether a payment is the one that has paid for the order. If it is
// not, the refusal is [PaymentReused]. A payment that does not say its amount is of the total.
func (o Order) AcceptAgain(p, paid Payment) error {
	if p.Currency == "" {
		p.Amount, p.Currency = o.Total, o.Currency
	}

	if paid.Currency == "" {
		paid.Amount, paid.Currency = o.Total, o.Currency
	}

	if p.Client == "" || paid.Client == "" { // the payment is everybody's
		p.Client = paid.Client
	}

	switch {
	case p.Client != paid.Client:
		return Errorf(PaymentReused, "Another client has paid the order; an order is paid once.")
	case p.Reference != paid.Reference:
		return Errorf(PaymentReused, "The order was paid with the reference %q; an order is paid once.", paid.Reference)
	case p != paid:
		refusal := Errorf(PaymentReused, "The reference %q has paid %d %s for this order; use another reference for another payment.",
			paid.Reference, paid.Amount, paid.Currency)
		refusal.Fields = p.differences(paid)

		return refusal
	}

	return nil
}

// total is the payment that the order waits for.
func (o Order) total() Payment { return Payment{Amount: o.Total, Currency: o.Currency} }

// differences are the fields of a payment that are not as wanted.
func (p Payment) differences(want Payment) (fields []Field) {
	if p.Amount != want.Amount {
		fields = append(fields, Fieldf("amount", "expected %d", want.Amount))
	}

	if p.Currency != want.Currency {
		fields = append(fields, Fieldf("currency", "expected %s", want.Currency))
	}

	return fields
}

// Reservation is what having stock means for a pending order. paid tells whether its payment
// has come already.
func (o Order) Reservation(paid bool) Event {
	if o.HoldUntil != nil && !paid {
		return Hold
	}

	return Reserve
}
