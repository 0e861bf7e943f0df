package flow_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
)

// An order that ends has a code that says why. If a program of the release before ended it,
// only the text says why, and the code is told from that.
func TestAnOrderThatEndedHasAReasonCode(t *testing.T) {
	t.Parallel()

	overdue := func(b *ordertest.Bundle, _ uuid.UUID) {
		b.InTx(func(tx pgx.Tx) error {
			_, failure, err := flow.ExpireOverdue(b.T.Context(), tx, b.Queue, 0, 100)
			if err == nil {
				err = failure
			}

			return err
		})
	}
	fails := func(cancelled bool) func(b *ordertest.Bundle, id uuid.UUID) {
		return func(b *ordertest.Bundle, id uuid.UUID) {
			b.InTx(func(tx pgx.Tx) error {
				_, err := flow.GiveUp(b.T.Context(), tx, map[uuid.UUID]order.Reason{id: order.Failing(order.Inventory, cancelled)}, "test")

				return err
			})
		}
	}

	told := map[order.ReasonCode]bool{order.OtherReason: true} // by no program

	for name, c := range map[string]struct {
		end  func(b *ordertest.Bundle, id uuid.UUID)
		code order.ReasonCode
	}{
		"confirmed": {func(b *ordertest.Bundle, id uuid.UUID) { b.Apply(order.Inventory, id) }, ""},
		"no stock": {func(b *ordertest.Bundle, id uuid.UUID) {
			b.Order(ordertest.Line("tea", 5))
			b.Exec(`UPDATE products SET available = 1`)
			b.Apply(order.Inventory, id)
		}, order.OutOfStock},
		"unpaid": {func(b *ordertest.Bundle, id uuid.UUID) {
			b.Exec(`UPDATE orders SET hold_until = now() - interval '1 hour'`)

			if err := b.Expire(id); err != nil {
				b.T.Error(err)
			}
		}, order.PaymentOverdue},
		"unpaid, and found by the sweep": {func(b *ordertest.Bundle, id uuid.UUID) {
			b.Apply(order.Inventory, id)
			b.Exec(`UPDATE orders SET status = 'awaiting_payment', hold_until = now() - interval '1 hour'`)
			overdue(b, id)
		}, order.PaymentOverdue},
		"pending for too long": {overdue, order.ProcessingOverdue},
		"cancelled": {func(b *ordertest.Bundle, id uuid.UUID) {
			if _, err := b.Cancel(id, "out of stock: tea"); err != nil {
				b.T.Error(err)
			}
		}, order.CancelledByClient},
		"cancelled without a word": {func(b *ordertest.Bundle, id uuid.UUID) {
			if _, err := b.Cancel(id, ""); err != nil {
				b.T.Error(err)
			}
		}, order.CancelledByClient},
		"failed":        {fails(false), order.StepFailed},
		"job cancelled": {fails(true), order.CancelledByOperator},
	} {
		told[c.code] = true

		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 10})
			id := b.Old(ordertest.Line("tea", 2))
			c.end(b, id)

			if o := b.Read(id); o.StatusReasonCode != c.code {
				t.Errorf("%s (%s) has the code %q, want %q", o.Status, o.StatusReason, o.StatusReasonCode, c.code)
			}

			if n := b.Count(`SELECT count(*) FROM order_events WHERE order_id = $1 AND detail ->> 'reason_code' = $2`, id, c.code); c.code != "" && n != 1 {
				t.Errorf("%d events have the code", n)
			}

			b.Exec(`UPDATE orders SET status_reason_code = NULL`) // as the release before leaves it

			if o := b.Read(id); o.StatusReasonCode != c.code {
				t.Errorf("%s (%s): the text tells %q, want %q", o.Status, o.StatusReason, o.StatusReasonCode, c.code)
			}
		})
	}

	for _, code := range order.ReasonCodes() {
		if !told[code] {
			t.Errorf("no order ends with the code %s here", code)
		}
	}
}

func TestAnEndThatNoTextTellsHasTheCodeOther(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 2))

	for _, status := range []order.Status{order.Rejected, order.Expired, order.Failed} {
		b.Exec(`UPDATE orders SET status = $1, status_reason = 'a text of long ago'`, status)

		if o := b.Read(id); o.StatusReasonCode != order.OtherReason {
			t.Errorf("%s has the code %q", status, o.StatusReasonCode)
		}
	}
}
