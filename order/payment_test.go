package order_test

import (
	"errors"
	"testing"
	"time"

	"orders/order"
)

func TestAccept(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC)
	later, at, earlier := now.Add(time.Second), now, now.Add(-time.Second)
	total := order.Payment{Reference: "p", Amount: 2500, Currency: "EUR"}

	for name, c := range map[string]struct {
		status  order.Status
		until   *time.Time
		payment order.Payment
		code    order.Code
		fields  []string
	}{
		"awaits it":        {order.AwaitingPayment, &later, total, "", nil},
		"pending":          {order.Pending, &later, total, "", nil},
		"unsaid":           {order.AwaitingPayment, &later, order.Payment{Reference: "p"}, "", nil},
		"not held":         {order.Pending, nil, total, order.StateConflict, nil},
		"at the deadline":  {order.Pending, &at, total, order.StateConflict, nil},
		"after it":         {order.AwaitingPayment, &earlier, total, order.StateConflict, nil},
		"confirmed":        {order.Confirmed, &later, total, order.StateConflict, nil},
		"cancelled":        {order.Cancelled, &later, total, order.StateConflict, nil},
		"too little":       {order.Pending, &later, order.Payment{Amount: 2499, Currency: "EUR"}, order.PaymentMismatch, []string{"amount"}},
		"too much":         {order.AwaitingPayment, &later, order.Payment{Amount: 2501, Currency: "EUR"}, order.PaymentMismatch, []string{"amount"}},
		"another currency": {order.Pending, &later, order.Payment{Amount: 2500, Currency: "USD"}, order.PaymentMismatch, []string{"currency"}},
		"nothing":          {order.Pending, &later, order.Payment{Currency: "USD"}, order.PaymentMismatch, []string{"amount", "currency"}},
	} {
		o := order.Order{Status: c.status, HoldUntil: c.until, Total: 2500, Currency: "EUR"}
		wantRefusal(t, name, o.Accept(c.payment, now), c.code, c.fields)
	}
}

func TestAcceptAgain(t *testing.T) {
	t.Parallel()

	o := order.Order{Total: 2500, Currency: "EUR"}
	total, unsaid := order.Payment{Reference: "p", Amount: 2500, Currency: "EUR"}, order.Payment{Reference: "p"}

	for name, c := range map[string]struct {
		payment, paid order.Payment
		code          order.Code
		fields        []string
	}{
		"the same":          {total, total, "", nil},
		"said later":        {total, unsaid, "", nil},
		"said before":       {unsaid, total, "", nil},
		"unsaid":            {unsaid, unsaid, "", nil},
		"another reference": {order.Payment{Reference: "q", Amount: 2500, Currency: "EUR"}, total, order.PaymentReused, nil},
		"another amount":    {order.Payment{Reference: "p", Amount: 1, Currency: "EUR"}, unsaid, order.PaymentReused, []string{"amount"}},
		"another currency":  {order.Payment{Reference: "p", Amount: 2500, Currency: "USD"}, total, order.PaymentReused, []string{"currency"}},
	} {
		wantRefusal(t, name, o.AcceptAgain(c.payment, c.paid), c.code, c.fields)
	}
}

// wantRefusal checks an error's code and the fields that it names; an empty code stands for none.
func wantRefusal(t *testing.T, name string, err error, code order.Code, fields []string) {
	t.Helper()

	refusal, refused := errors.AsType[*order.Error](err)
	if refused != (code != "") || refused && (refusal.Code != code || len(refusal.Fields) != len(fields)) || err != nil && !refused {
		t.Errorf("%s: %+v", name, err)

		return
	}

	for i, field := range fields {
		if refusal.Fields[i].Name != field {
			t.Errorf("%s: fields %+v", name, refusal.Fields)
		}
	}
}

func TestReservation(t *testing.T) {
	t.Parallel()

	until := time.Now()

	for _, c := range []struct {
		until *time.Time
		paid  bool
		want  order.Event
	}{{nil, false, order.Reserve}, {&until, false, order.Hold}, {&until, true, order.Reserve}} {
		if got := (order.Order{HoldUntil: c.until}).Reservation(c.paid); got != c.want {
			t.Errorf("held until %v, paid %t: %s", c.until, c.paid, got)
		}
	}
}
