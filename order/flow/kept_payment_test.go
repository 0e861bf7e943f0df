package flow_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
	"orders/order/explain"
	"orders/order/flow"
	"orders/order/ordertest"
)

// A payment that comes before the stock is reserved is kept. Reserving the stock confirms the order, and in the same
// transaction enqueues what waited for the payment.
func TestAPaymentBeforeTheStockIsKept(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Held(time.Hour, ordertest.Line("tea", 2))

	for n := range 2 {
		paid, err := b.PayAmount(id, order.Payment{Reference: "pay-1", Amount: 200, Currency: "EUR"})
		if err != nil || paid.Order.Status != order.Pending || paid.Replayed != (n == 1) {
			t.Fatalf("payment %d: %+v, %v", n, paid, err)
		}
	}

	if _, err := b.Pay(id, "pay-2"); order.CodeOf(err) != order.PaymentReused {
		t.Errorf("a second payment: %v", err)
	}

	if why := why(b, id); !slices.ContainsFunc(why.Reasons, func(r explain.Reason) bool {
		return r.Code == explain.Paid && strings.Contains(r.Text, "pay-1")
	}) {
		t.Errorf("why does not tell of the payment: %+v", why)
	}

	b.Invariants()
	b.Apply(order.Inventory, id)

	if o := b.Read(id); o.Status != order.Confirmed {
		t.Errorf("with stock, the order is %s", o.Status)
	}

	if n := b.Count(`SELECT count(*) FROM live_jobs WHERE unique_key = job_key('points', $1)`, id); n != 1 {
		t.Errorf("%d points jobs", n)
	}

	told := tell(b, id)
	if want := []string{
		"The order was placed: total 2.00 EUR.",
		"The payment came before the stock was reserved, and is kept: 2.00 EUR, reference pay-1.",
		"A payment was refused and must be returned: reference pay-2.",
		"Stock was taken: 2 pieces of 1 product.",
		"The order is confirmed.",
	}; !slices.Equal(told, want) {
		t.Errorf("timeline %q, want %q", told, want)
	}

	b.Invariants()
}

// However an order ends whose payment was kept, the payment is one that must be returned.
func TestAKeptPaymentOfAnOrderThatEndsIsToBeReturned(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		quantity int64
		end      func(b *ordertest.Bundle, id uuid.UUID) error
		status   order.Status
	}{
		"rejected": {1_000, func(b *ordertest.Bundle, id uuid.UUID) error { return b.Apply(order.Inventory, id)[0] }, order.Rejected},
		"cancelled": {1, func(b *ordertest.Bundle, id uuid.UUID) error {
			_, err := b.Cancel(id, "changed my mind")

			return err
		}, order.Cancelled},
		"not processed in time": {1, func(b *ordertest.Bundle, _ uuid.UUID) (err error) {
			b.InTx(func(tx pgx.Tx) error {
				_, _, err = flow.ExpireOverdue(b.T.Context(), tx, b.Queue, 0, 100)

				return err
			})

			return err
		}, order.Expired},
		"failed": {1, func(b *ordertest.Bundle, id uuid.UUID) (err error) {
			b.InTx(func(tx pgx.Tx) error {
				_, err = flow.GiveUp(b.T.Context(), tx, map[uuid.UUID]order.Reason{id: order.Failing(order.Inventory, false)}, "test")

				return err
			})

			return err
		}, order.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 10})
			id := b.Held(time.Hour, ordertest.Line("tea", c.quantity))

			if _, err := b.PayAmount(id, order.Payment{Reference: "pay-1", Amount: 100 * c.quantity, Currency: "EUR"}); err != nil {
				t.Fatal(err)
			}

			if err := c.end(b, id); err != nil || b.Read(id).Status != c.status {
				t.Fatalf("the order is %s, %v", b.Read(id).Status, err)
			}

			if n := b.Count(`
				SELECT count(*) FROM refunds
				WHERE order_id = $1 AND reference = 'pay-1' AND cause = 'ended' AND order_status = $2 AND amount = $3 AND currency = 'EUR'`,
				id, c.status, 100*c.quantity); n != 1 {
				t.Errorf("%d refunds", n)
			}

			if last := tell(b, id); !slices.Contains(last, "The payment must be returned: "+
				strings.TrimPrefix(last[1], "The payment came before the stock was reserved, and is kept: ")) {
				t.Errorf("timeline %q", last)
			}

			b.Invariants()
		})
	}
}

// An order that was paid in time does not expire at its deadline, however late its stock is reserved.
func TestAPaidOrderDoesNotExpireWhileItWaitsForStock(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id, unaware := b.Held(time.Hour, ordertest.Line("tea", 1)), b.Held(time.Hour, ordertest.Line("tea", 1))

	for reference, id := range map[string]uuid.UUID{"pay-1": id, "pay-2": unaware} {
		if _, err := b.Pay(id, reference); err != nil {
			t.Fatal(err)
		}
	}

	// A program that does not know of kept payments has reserved the stock of one.
	b.Apply(order.Inventory, unaware)
	b.Exec(`UPDATE orders SET status = 'awaiting_payment' WHERE id = $1`, unaware)
	b.Exec(`DELETE FROM river_job WHERE kind = 'points'`)
	b.Exec(`UPDATE orders SET hold_until = now() - interval '1 hour'`)

	for _, expire := range []func(){
		func() { b.Expire(id); b.Expire(unaware) },
		func() {
			b.InTx(func(tx pgx.Tx) error {
				_, failure, err := flow.ExpireOverdue(t.Context(), tx, b.Queue, time.Hour, 100)
				if failure != nil {
					t.Error(failure)
				}

				return err
			})
		},
	} {
		b.Exec(`UPDATE orders SET status = 'awaiting_payment' WHERE id = $1`, unaware)
		b.Exec(`DELETE FROM river_job WHERE kind = 'points'`)
		expire()

		if o := b.Read(id); o.Status != order.Pending {
			t.Errorf("the pending order is %s", o.Status)
		}

		if o := b.Read(unaware); o.Status != order.Confirmed {
			t.Errorf("the order that awaits what it has is %s", o.Status)
		}

		if n := b.Count(`SELECT count(*) FROM live_jobs WHERE unique_key = job_key('points', $1)`, unaware); n != 1 {
			t.Errorf("%d points jobs", n)
		}
	}

	b.Apply(order.Inventory, id)

	if o := b.Read(id); o.Status != order.Confirmed {
		t.Errorf("with stock, the order is %s", o.Status)
	}

	b.Invariants()
}

// A payment that says its amount must be the total. It is refused by naming what differs, and its money is kept and reported.
func TestAPaymentIsTheTotal(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id, other := b.Held(time.Hour, ordertest.Line("tea", 2)), b.Held(time.Hour, ordertest.Line("tea", 2))
	b.Apply(order.Inventory, id, other)

	euros := func(reference string, amount int64) order.Payment {
		return order.Payment{Reference: reference, Amount: amount, Currency: "EUR"}
	}

	for _, p := range []order.Payment{euros("low", 199), {Reference: "dollars", Amount: 200, Currency: "USD"}} {
		if _, err := b.PayAmount(id, p); order.CodeOf(err) != order.PaymentMismatch {
			t.Errorf("%+v: %v", p, err)
		}
	}

	if n := b.Count(`
		SELECT count(*) FROM refunds
		WHERE order_id = $1 AND cause = 'refused' AND (reference, amount, currency) IN (('low', 199, 'EUR'), ('dollars', 200, 'USD'))`, id); n != 2 {
		t.Errorf("%d refunds", n)
	}

	// The amount was a mistake of the sender: nothing is to be returned.
	if _, err := b.PayAmount(id, euros("low", 200)); err != nil || b.Read(id).Status != order.Confirmed {
		t.Errorf("corrected: %v", err)
	}

	if n := b.Count(`SELECT count(*) FROM refunds WHERE reference = 'low'`); n != 0 {
		t.Error("the corrected payment is to be returned")
	}

	for n := range 2 { // also without the amount
		if paid, err := b.PayAmount(id, []order.Payment{euros("low", 200), {Reference: "low"}}[n]); err != nil || !paid.Replayed {
			t.Errorf("again: %+v, %v", paid, err)
		}
	}

	if _, err := b.PayAmount(id, euros("low", 201)); order.CodeOf(err) != order.PaymentReused || !strings.Contains(message(err), "200 EUR") {
		t.Errorf("the reference with another amount: %v", err)
	}

	if _, err := b.PayAmount(other, euros("low", 200)); order.CodeOf(err) != order.PaymentReused || !strings.Contains(message(err), id.String()) {
		t.Errorf("the reference for another order: %v", err)
	}

	b.Invariants()
}

// Several payments for an order in one batch are as if they came one after the other.
func TestPaymentsOfOneBatchComeOneAfterTheOther(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id, other := b.Held(time.Hour, ordertest.Line("tea", 1)), b.Held(time.Hour, ordertest.Line("tea", 1))
	b.Apply(order.Inventory, other)

	if _, err := b.Pay(other, "taken"); err != nil {
		t.Fatal(err)
	}

	items := make([]flow.Payment, 0, 4)
	for _, reference := range []string{"taken", "mine", "mine", "late"} {
		items = append(items, flow.Payment{OrderID: id, Payment: order.Payment{Reference: reference}})
	}

	b.InTx(func(tx pgx.Tx) error {
		results, err := flow.Pay(b.Queue)(t.Context(), tx, items)
		if err != nil {
			return err
		}

		for i, want := range []struct {
			code     order.Code
			replayed bool
		}{{order.PaymentReused, false}, {"", false}, {"", true}, {order.PaymentReused, true}} {
			r := results[i]
			if r.Err != nil && order.CodeOf(r.Err) != want.code || r.Err == nil && (want.code != "" || r.Value.Replayed != want.replayed) {
				t.Errorf("%s: %+v", items[i].Reference, r)
			}
		}

		return nil
	})

	if n := b.Count(`SELECT count(*) FROM refunds WHERE reference = 'late' AND order_id = $1`, id); n != 1 {
		t.Errorf("%d refunds of the late payment", n)
	}

	b.Invariants()
}

// A payment meets each act that moves a pending order, in both orders of commit. The money is the order's, or is to be
// returned.
func TestAPaymentMeetsWhatMovesItsOrder(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	all := acts(b)
	all["sweep"] = func(ctx context.Context, tx pgx.Tx, _ []uuid.UUID) error { // it skips orders that are locked
		_, _, err := flow.ExpireOverdue(ctx, tx, b.Queue, 0, 100)

		return err
	}

	for _, c := range []struct {
		first, second string
		status        order.Status
		refund        string
	}{
		{"pay", "inventory", order.Confirmed, ""},
		{"inventory", "pay", order.Confirmed, ""},
		{"pay", "cancel", order.Cancelled, "ended"},
		{"cancel", "pay", order.Cancelled, "refused"},
		{"pay", "expire", order.Pending, ""},
		{"expire", "pay", order.Pending, ""}, // its deadline is yet to come
		{"pay", "sweep", order.Pending, ""},
		{"sweep", "pay", order.Expired, "refused"},
	} {
		id := b.Held(time.Hour, ordertest.Line("tea", 1))
		meet(b, all[c.first], all[c.second], []uuid.UUID{id})

		if o := b.Read(id); o.Status != c.status {
			t.Errorf("%s, then %s: the order is %s", c.first, c.second, o.Status)
		}

		if n := b.Count(`SELECT count(*) FROM refunds WHERE order_id = $1 AND cause = $2`, id, c.refund); (n == 1) != (c.refund != "") {
			t.Errorf("%s, then %s: %d refunds", c.first, c.second, n)
		}

		b.Settle(id) // a kept payment is applied

		if o := b.Read(id); c.status == order.Pending && o.Status != order.Confirmed {
			t.Errorf("%s, then %s, and stock: the order is %s", c.first, c.second, o.Status)
		}

		b.Invariants()
	}
}

// why explains an order.
func why(b *ordertest.Bundle, id uuid.UUID) (answer explain.Answer) {
	b.T.Helper()
	b.InTx(func(tx pgx.Tx) (err error) {
		_, answer, err = explain.Why(b.T.Context(), tx, id, nil)

		return err
	})

	return answer
}

// tell is the timeline of an order in words.
func tell(b *ordertest.Bundle, id uuid.UUID) []string {
	b.T.Helper()

	entries, err := explain.Timeline(b.T.Context(), b.Pool, id, 100)
	if err != nil {
		b.T.Fatal(err)
	}

	words := make([]string, len(entries))
	for i, e := range entries {
		words[i] = e.Text
	}

	return words
}
