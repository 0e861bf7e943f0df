package flow_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
	"orders/order/flow"
)

// held places an order that waits for payment, for as long as hold is.
func (b *bundle) held(hold time.Duration, lines ...order.DraftLine) uuid.UUID {
	b.t.Helper()

	p := placement("", lines...)
	until := time.Now().Add(hold)
	p.Draft.HoldUntil = &until

	placed, err := b.place.Do(b.t.Context(), p)
	if err != nil {
		b.t.Fatal(err)
	}

	return placed.Order.ID
}

// cancel cancels one order in a transaction of its own.
func (b *bundle) cancel(id uuid.UUID, reason string) (o order.Order, err error) {
	b.t.Helper()
	b.inTx(func(tx pgx.Tx) error {
		results, batchErr := flow.Cancel(b.t.Context(), tx, []flow.Cancellation{{OrderID: id, Reason: reason, Actor: "test"}})
		if batchErr == nil {
			o, err = results[0].Value, results[0].Err
		}

		return batchErr
	})

	return o, err
}

// pay pays one order in a transaction of its own.
func (b *bundle) pay(id uuid.UUID, reference string) (o order.Order, err error) {
	b.t.Helper()
	b.inTx(func(tx pgx.Tx) error {
		results, batchErr := flow.Pay(b.queue)(b.t.Context(), tx, []flow.Payment{{OrderID: id, Reference: reference}})
		if batchErr == nil {
			o, err = results[0].Value, results[0].Err
		}

		return batchErr
	})

	return o, err
}

// expire is flow.Expire without the deadlines it answers with.
func expire(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]db.Result[flow.None], error) {
	results, err := flow.Expire(ctx, tx, ids)
	done := make([]db.Result[flow.None], len(results))

	for i, r := range results {
		done[i].Err = r.Err
	}

	return done, err
}

func TestCancelNetsToZeroWhateverHasRun(t *testing.T) {
	t.Parallel()

	for name, before := range map[string][]order.StepName{
		"nothing has run":  {},
		"points":           {order.Points},
		"inventory":        {order.Inventory},
		"all have run":     {order.Inventory, order.Points, order.Notification},
		"all but points":   {order.Inventory, order.Notification},
		"all have, twice":  {order.Inventory, order.Points, order.Notification, order.Points, order.Inventory},
		"only the message": {order.Notification},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, map[string]int64{"tea": 10, "mug": 5})
			id := b.order(line("tea", 2), line("mug", 1))

			for _, step := range before {
				b.run(steps[step], id)
			}

			o, err := b.cancel(id, "ordered by mistake")
			if err != nil || o.Status != order.Cancelled || o.StatusReason != "ordered by mistake" || len(o.Steps) != 3 {
				t.Fatalf("%+v, %v", o, err)
			}

			if again, err := b.cancel(id, "once more"); err != nil || again.StatusReason != "ordered by mistake" {
				t.Errorf("cancelled again: %+v, %v", again, err)
			}

			for _, step := range steps { // whatever is still to come, comes
				b.run(step, id)
			}

			if _, err := b.pay(id, "p"); order.CodeOf(err) != order.StateConflict {
				t.Errorf("paid after it: %v", err)
			}

			for _, step := range b.read(id).Steps {
				if want := map[order.StepName]order.StepState{order.Notification: order.Done}[step.Name]; step.State != order.Skipped && step.State != want {
					t.Errorf("step %+v", step)
				}
			}

			if n := b.count(`SELECT count(*) FROM products WHERE available <> CASE sku WHEN 'tea' THEN 10 ELSE 5 END`); n != 0 {
				t.Errorf("the stock of %d products is not back", n)
			}

			if n := b.count(`SELECT count(*) FROM order_events WHERE type = 'cancelled' AND actor = 'test' AND detail->>'reason' = 'ordered by mistake'`); n != 1 {
				t.Errorf("%d events", n)
			}

			b.invariants()
		})
	}
}

func TestAHeldOrderIsPaid(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	id, other := b.held(time.Hour, line("tea", 2)), b.held(time.Hour, line("tea", 1))

	if n := b.count(`SELECT count(*) FROM river_job WHERE kind = 'points'`); n != 0 {
		t.Error("points of a held order are enqueued before it is paid")
	}

	if n := b.count(`SELECT count(*) FROM river_job WHERE kind = 'expire' AND state = 'scheduled' AND scheduled_at > now() + interval '59 minutes'`); n != 2 {
		t.Errorf("%d expire jobs", n)
	}

	if _, err := b.pay(id, "p-1"); order.CodeOf(err) != order.StateConflict {
		t.Errorf("paid before there is stock: %v", err)
	}

	b.run(flow.Reserve, id, other)

	if o := b.read(id); o.Status != order.AwaitingPayment || o.HoldUntil == nil {
		t.Errorf("reserved: %+v", o)
	}

	for range 2 {
		if o, err := b.pay(id, "p-1"); err != nil || o.Status != order.Confirmed {
			t.Errorf("paid: %+v, %v", o, err)
		}
	}

	if _, err := b.pay(id, "p-2"); order.CodeOf(err) != order.PaymentReused {
		t.Errorf("paid by another: %v", err)
	}

	if _, err := b.pay(other, "p-1"); order.CodeOf(err) != order.PaymentReused {
		t.Errorf("the same payment for another order: %v", err)
	}

	if o := b.read(other); o.Status != order.AwaitingPayment {
		t.Errorf("the other order is %s", o.Status)
	}

	if n := b.count(`SELECT count(*) FROM river_job WHERE kind = 'points'`); n != 1 {
		t.Errorf("%d points jobs", n)
	}

	b.run(expire, id)

	if o := b.read(id); o.Status != order.Confirmed {
		t.Errorf("a paid order is %s at its deadline", o.Status)
	}

	b.invariants()
}

func TestAHeldOrderExpires(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	late, early := b.held(-time.Second, line("tea", 2)), b.held(time.Hour, line("tea", 2))
	lateAndPending := b.held(-time.Second, line("tea", 1))

	b.run(flow.Reserve, late, early)

	b.inTx(func(tx pgx.Tx) error {
		results, err := flow.Expire(t.Context(), tx, []uuid.UUID{late, early, lateAndPending})
		if err == nil && (results[0].Value != nil || results[1].Value == nil || results[2].Value != nil) {
			t.Errorf("deadlines yet to come: %+v", results)
		}

		return err
	})

	for id, want := range map[uuid.UUID]order.Status{late: order.Expired, early: order.AwaitingPayment, lateAndPending: order.Expired} {
		if o := b.read(id); o.Status != want {
			t.Errorf("order is %s, want %s", o.Status, want)
		}
	}

	if _, err := b.pay(late, "p"); order.CodeOf(err) != order.StateConflict {
		t.Errorf("paid after its deadline: %v", err)
	}

	b.run(flow.Reserve, lateAndPending)

	if n := b.count(`SELECT available FROM products`); n != 8 {
		t.Errorf("%d available, want 8: only the order that still waits holds stock", n)
	}

	b.invariants()
}

func TestOverdueOrdersExpire(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	fresh, held := b.order(line("tea", 1)), b.held(-2*time.Minute, line("tea", 1))

	old := placement("", line("tea", 1))
	old.OrderID = uuid.MustParse("01900000-0000-7000-8000-000000000000") // of 2024

	if _, err := b.place.Do(t.Context(), old); err != nil {
		t.Fatal(err)
	}

	b.run(flow.Reserve, held)

	b.inTx(func(tx pgx.Tx) error {
		n, err := flow.ExpireOverdue(t.Context(), tx, 15*time.Minute, 100)
		if err == nil && n != 2 {
			t.Errorf("%d expired", n)
		}

		return err
	})

	for id, want := range map[uuid.UUID]order.Status{old.OrderID: order.Expired, held: order.Expired, fresh: order.Pending} {
		if o := b.read(id); o.Status != want {
			t.Errorf("order is %s, want %s", o.Status, want)
		}
	}

	b.invariants()
}
