package flow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/timeline"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
)

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

			b := ordertest.Setup(t, map[string]int64{"tea": 10, "mug": 5})
			id := b.Order(ordertest.Line("tea", 2), ordertest.Line("mug", 1))

			for _, step := range before {
				b.Apply(step, id)
			}

			o, err := b.Cancel(id, "ordered by mistake")
			if err != nil || o.Status != order.Cancelled || o.StatusReason != "ordered by mistake" || len(o.Steps) != 3 {
				t.Fatalf("%+v, %v", o, err)
			}

			if again, err := b.Cancel(id, "once more"); err != nil || again.StatusReason != "ordered by mistake" {
				t.Errorf("cancelled again: %+v, %v", again, err)
			}

			b.Settle(id) // jobs that run later

			if _, err := b.Pay(id, "p"); order.CodeOf(err) != order.StateConflict {
				t.Errorf("paid after it: %v", err)
			}

			for _, step := range b.Read(id).Steps {
				if want := map[order.StepName]order.StepState{order.Notification: order.Done}[step.Name]; step.State != order.Skipped && step.State != want {
					t.Errorf("step %+v", step)
				}
			}

			if n := b.Count(`SELECT count(*) FROM products WHERE available <> CASE sku WHEN 'tea' THEN 10 ELSE 5 END`); n != 0 {
				t.Errorf("the stock of %d products is not back", n)
			}

			if n := b.Count(`SELECT count(*) FROM order_events WHERE type = 'cancelled' AND actor = 'test' AND detail->>'reason' = 'ordered by mistake'`); n != 1 {
				t.Errorf("%d events", n)
			}

			b.Invariants()
		})
	}
}

func TestAHeldOrderIsPaid(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id, other := b.Held(time.Hour, ordertest.Line("tea", 2)), b.Held(time.Hour, ordertest.Line("tea", 1))

	if n := b.Count(`SELECT count(*) FROM river_job WHERE kind = 'points'`); n != 0 {
		t.Error("points of a held order are enqueued before it is paid")
	}

	if n := b.Count(`SELECT count(*) FROM river_job WHERE kind = 'expire' AND state = 'scheduled' AND scheduled_at > now() + interval '59 minutes'`); n != 2 {
		t.Errorf("%d expire jobs", n)
	}

	b.Apply(order.Inventory, id, other)

	if o := b.Read(id); o.Status != order.AwaitingPayment || o.HoldUntil == nil {
		t.Errorf("reserved: %+v", o)
	}

	for range 2 {
		if o, err := b.Pay(id, "p-1"); err != nil || o.Status != order.Confirmed {
			t.Errorf("paid: %+v, %v", o, err)
		}
	}

	if _, err := b.Pay(id, "p-2"); order.CodeOf(err) != order.PaymentReused {
		t.Errorf("paid by another: %v", err)
	}

	if _, err := b.Pay(other, "p-1"); order.CodeOf(err) != order.PaymentReused {
		t.Errorf("the same payment for another order: %v", err)
	}

	if o := b.Read(other); o.Status != order.AwaitingPayment {
		t.Errorf("the other order is %s", o.Status)
	}

	if n := b.Count(`SELECT count(*) FROM river_job WHERE kind = 'points'`); n != 1 {
		t.Errorf("%d points jobs", n)
	}

	if err := b.Expire(id); err != nil {
		t.Error(err)
	}

	if o := b.Read(id); o.Status != order.Confirmed {
		t.Errorf("a paid order is %s at its deadline", o.Status)
	}

	b.Invariants()
}

func TestAHeldOrderExpires(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	late, early := b.Held(-time.Second, ordertest.Line("tea", 2)), b.Held(time.Hour, ordertest.Line("tea", 2))
	lateAndPending := b.Held(-time.Second, ordertest.Line("tea", 1))

	b.Apply(order.Inventory, late, early)

	b.InTx(func(tx pgx.Tx) error {
		results, err := flow.Expire(b.Queue)(t.Context(), tx, []uuid.UUID{late, early, lateAndPending})
		if err == nil && (results[0].Value != 0 || results[1].Value <= 0 || results[1].Value > time.Hour || results[2].Value != 0) {
			t.Errorf("deadlines yet to come: %+v", results)
		}

		return err
	})

	for id, want := range map[uuid.UUID]order.Status{late: order.Expired, early: order.AwaitingPayment, lateAndPending: order.Expired} {
		if o := b.Read(id); o.Status != want {
			t.Errorf("order is %s, want %s", o.Status, want)
		}
	}

	if _, err := b.Pay(late, "p"); order.CodeOf(err) != order.StateConflict {
		t.Errorf("paid after its deadline: %v", err)
	}

	b.Apply(order.Inventory, lateAndPending)

	if n := b.Count(`SELECT available FROM products`); n != 8 {
		t.Errorf("%d available, want 8: only the order that still waits holds stock", n)
	}

	b.Invariants()
}

func TestOverdueOrdersExpire(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	fresh, held := b.Order(ordertest.Line("tea", 1)), b.Held(-2*time.Minute, ordertest.Line("tea", 1))

	old := b.Old(ordertest.Line("tea", 1))

	b.Apply(order.Inventory, held)

	b.InTx(func(tx pgx.Tx) error {
		n, failure, err := flow.ExpireOverdue(t.Context(), tx, b.Queue, 15*time.Minute, 100)
		if failure != nil {
			t.Error(failure)
		}

		if err == nil && n != 2 {
			t.Errorf("%d expired", n)
		}

		return err
	})

	for id, want := range map[uuid.UUID]order.Status{old: order.Expired, held: order.Expired, fresh: order.Pending} {
		if o := b.Read(id); o.Status != want {
			t.Errorf("order is %s, want %s", o.Status, want)
		}
	}

	b.Invariants()
}

// A step that a migration has added is not due for orders from before, also if they are paid after it. What an order
// shows and what is enqueued for it agree.
func TestPayingAnOldOrderEnqueuesNoStepThatIsNewer(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	old := b.Held(time.Hour, ordertest.Line("tea", 1))
	b.Apply(order.Inventory, old)
	time.Sleep(2 * time.Millisecond) // ids have milliseconds: neither order may have that of since
	b.Exec(`UPDATE steps SET since = now() WHERE name = 'points'`)
	time.Sleep(2 * time.Millisecond)

	young := b.Held(time.Hour, ordertest.Line("tea", 1))
	b.Apply(order.Inventory, young)

	for reference, id := range map[string]uuid.UUID{"pay-1": old, "pay-2": young} {
		if _, err := b.Pay(id, reference); err != nil {
			t.Fatal(err)
		}
	}

	if points := b.Read(old).Steps[1]; points.Name != order.Points || points.State != order.Skipped {
		t.Errorf("the old order's points: %+v", points)
	}

	if n := b.Count(`SELECT count(*) FROM river_job WHERE kind = 'points' AND args ->> 'order_id' = $1`, old.String()); n != 0 {
		t.Errorf("the old order got %d jobs for its points", n)
	}

	if n := b.Count(`SELECT count(*) FROM river_job WHERE kind = 'points' AND args ->> 'order_id' = $1`, young.String()); n != 1 {
		t.Errorf("the young order got %d jobs for its points", n)
	}
}

// Cancelling an order whose customer has not been told of it sends both messages at one moment. The later fact comes
// first in the inbox, wherever a page ends, and last in the timeline.
func TestTheMessageOfAnEndComesAfterThatOfThePlacing(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	ids := []uuid.UUID{b.Order(ordertest.Line("tea", 1)), b.Order(ordertest.Line("tea", 1))}

	for _, id := range ids {
		if _, err := b.Cancel(id, "changed my mind"); err != nil {
			t.Fatal(err)
		}
	}

	const messages = 4

	var after *db.LedgerPosition

	read := make([]string, 0, messages)

	for range messages {
		page, err := db.Inbox(t.Context(), b.Pool, ordertest.User, after, 1)
		if err != nil || len(page) != 1 {
			t.Fatal(page, err)
		}

		read = append(read, page[0].Template)
		after = &db.LedgerPosition{At: page[0].At, OrderID: page[0].OrderID, Label: page[0].Template}
	}

	if want := []string{"cancelled", "created", "cancelled", "created"}; !slices.Equal(read, want) {
		t.Errorf("the inbox has %v, want %v", read, want)
	}

	if page, err := db.Inbox(t.Context(), b.Pool, ordertest.User, after, 1); err != nil || len(page) != 0 {
		t.Errorf("after the end: %v, %v", page, err)
	}

	entries, err := timeline.Read(t.Context(), b.Pool, ids[0], 100)
	if err != nil {
		t.Fatal(err)
	}

	last := make([]any, 0, messages)

	for _, e := range entries[len(entries)-2:] {
		rows, _ := e.Detail["rows"].([]any)
		row, _ := rows[0].(map[string]any)
		last = append(last, row["template"])
	}

	if want := []any{"created", "cancelled"}; !slices.Equal(last, want) {
		t.Errorf("the timeline ends with %v, want %v", last, want)
	}
}

// A payment that comes after the deadline is refused, also if the job that expires the order is late. Money that the order
// does not need is kept and reported: of refused payments, and of orders that were paid and ended later.
func TestMoneyThatAnOrderDoesNotNeedIsKept(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	held := func(hold time.Duration) uuid.UUID {
		id := b.Held(hold, ordertest.Line("tea", 1))
		b.Apply(order.Inventory, id)

		return id
	}
	refused := func(id uuid.UUID, reference string, code order.Code) {
		t.Helper()

		for range 2 { // sent again, it is one payment
			if _, err := b.Pay(id, reference); order.CodeOf(err) != code {
				t.Errorf("%s: %v", reference, err)
			}
		}
	}
	refunds := func() (list []string) {
		t.Helper()

		rows, err := b.Pool.Query(t.Context(), `
			SELECT concat_ws(' ', reference, cause, order_status, order_id)
			FROM refunds
			WHERE state = 'due'
			ORDER BY reference`)
		if err != nil {
			t.Fatal(err)
		}

		list, err = pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}

		return list
	}

	late, paid, plain := held(-time.Second), held(time.Hour), b.Order(ordertest.Line("tea", 1))
	refused(late, "pay-1", order.StateConflict)
	refused(plain, "pay-2", order.StateConflict) // it takes no payment

	if o := b.Read(late); o.Status != order.AwaitingPayment {
		t.Errorf("the late order is %s", o.Status)
	}

	if _, err := b.Pay(paid, "pay-3"); err != nil {
		t.Fatal(err)
	}

	refused(paid, "pay-4", order.PaymentReused) // a second payment
	refused(late, "pay-3", order.StateConflict) // has paid for another order

	want := []string{
		"pay-1 refused awaiting_payment " + late.String(), "pay-2 refused pending " + plain.String(),
		"pay-4 refused confirmed " + paid.String(),
	}
	if got := refunds(); !slices.Equal(got, want) {
		t.Errorf("refunds %q, want %q", got, want)
	}

	if _, err := b.Cancel(paid, "too late"); err != nil {
		t.Fatal(err)
	}

	if err := b.Expire(late); err != nil {
		t.Fatal(err)
	}

	refused(paid, "pay-5", order.PaymentReused)
	refused(late, "pay-6", order.StateConflict)

	// The customer's money of the first reference pays for another order.
	other := held(time.Hour)
	if _, err := b.Pay(other, "pay-1"); err != nil {
		t.Fatal(err)
	}

	want = []string{
		"pay-2 refused pending " + plain.String(),
		"pay-3 ended cancelled " + paid.String(), "pay-4 refused confirmed " + paid.String(),
		"pay-5 refused cancelled " + paid.String(), "pay-6 refused expired " + late.String(),
	}
	if got := refunds(); !slices.Equal(got, want) {
		t.Errorf("refunds %q, want %q", got, want)
	}
}
