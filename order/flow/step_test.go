package flow_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"orders/db"
	"orders/db/groupcommit"
	"orders/order"
	"orders/order/ordertest"
)

func TestStepsHappenOnceHoweverOftenTheyRun(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10, "mug": 10})
	first, second := b.Order(ordertest.Line("tea", 2), ordertest.Line("mug", 1)), b.Order(ordertest.Line("tea", 3))

	for range 3 {
		b.Settle(first, second, first) // the same order twice in one batch, too
	}

	for _, id := range []uuid.UUID{first, second} {
		o := b.Read(id)
		if o.Status != order.Confirmed {
			t.Errorf("order is %s", o.Status)
		}

		for _, step := range o.Steps {
			if step.State != order.Done || step.At == nil {
				t.Errorf("step %+v", step)
			}
		}
	}

	for sql, want := range map[string]int{
		`SELECT available FROM products WHERE sku = 'tea'`:                              5,
		`SELECT available FROM products WHERE sku = 'mug'`:                              9,
		`SELECT balance FROM points_balances WHERE user_id = 'u-1'`:                     20,
		`SELECT count(*) FROM points_entries`:                                           2,
		`SELECT count(*) FROM stock_movements`:                                          3,
		`SELECT count(*) FROM notifications WHERE body = 'your order has been created'`: 2,
	} {
		if got := b.Count(sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}

	b.Invariants()
}

func TestReserveRejectsWhatStockCannotServe(t *testing.T) {
	t.Parallel()

	for name, before := range map[string][]order.StepName{
		"before points and notification":  {},
		"after points and notification":   {order.Points, order.Notification},
		"between points and notification": {order.Points},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 5, "mug": 10})
			id := b.Order(ordertest.Line("mug", 1), ordertest.Line("tea", 6))
			served := b.Order(ordertest.Line("tea", 5))

			for _, step := range before {
				b.Apply(step, id, served)
			}

			b.Apply(order.Inventory, served, id)

			for range 2 { // the other steps run later and must find nothing to do
				b.Settle(id, served)
			}

			o := b.Read(id)
			if o.Status != order.Rejected || o.StatusReason != "out of stock: tea (wanted 6, left 5)" {
				t.Errorf("order is %s: %q", o.Status, o.StatusReason)
			}

			if other := b.Read(served); other.Status != order.Confirmed {
				t.Errorf("the order behind it is %s", other.Status)
			}

			if n := b.Count(`SELECT coalesce(sum(points), 0) FROM points_entries WHERE order_id = $1`, id); n != 0 {
				t.Errorf("the rejected order keeps %d points", n)
			}

			if n := b.Count(`SELECT balance FROM points_balances WHERE user_id = 'u-1'`); n != order.PointsEarned {
				t.Errorf("balance is %d", n)
			}

			if n := b.Count(`SELECT count(*) FROM stock_movements WHERE order_id = $1`, id); n != 0 {
				t.Errorf("%d movements for an order that got nothing", n)
			}

			inbox, err := db.Inbox(t.Context(), b.Pool, "u-1", nil, 10)
			if err != nil {
				t.Fatal(err)
			}

			inbox = slices.DeleteFunc(inbox, func(n db.Notification) bool { return n.OrderID != id })
			if len(inbox) != 2 || inbox[0].Template != "rejected" || inbox[1].Template != "created" {
				t.Errorf("inbox, newest first: %+v", inbox)
			}

			b.Invariants()
		})
	}
}

func TestStepsRefuseAnOrderThatIsNotThere(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 5})
	there, missing := b.Order(ordertest.Line("tea", 1)), uuid.Must(uuid.NewV7())

	for _, step := range order.Steps() {
		errs := b.Apply(step.Name, missing, there)
		if order.CodeOf(errs[0]) != order.NotFound || errs[1] != nil {
			t.Errorf("%s: %v", step.Name, errs)
		}
	}
}

// All steps of many orders for little stock run at once, each several times, in
// batches of random members and sequence, as several processes would do it.
func TestStepsAtTheSameMoment(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 60, "mug": 60, "pot": 0})

	ids := make([]uuid.UUID, 0, 120)

	for n := range 120 {
		lines := []order.DraftLine{ordertest.Line("tea", int64(n%3+1)), ordertest.Line("mug", 1)}
		if n%2 == 0 {
			slices.Reverse(lines)
		}

		if n%10 == 0 {
			lines = append(lines, ordertest.Line("pot", 1))
		}

		ids = append(ids, b.Order(lines...))
	}

	var runs sync.WaitGroup

	for range 4 {
		for _, step := range order.Steps() {
			group := groupcommit.New(b.Pool, groupcommit.Options{MaxBatch: 16}, b.Step(step.Name))
			t.Cleanup(group.Close)

			for _, n := range rand.Perm(len(ids)) {
				runs.Go(func() {
					if _, err := group.Do(t.Context(), ids[n]); err != nil {
						t.Errorf("%s: %v", step.Name, err)
					}
				})
			}
		}
	}

	runs.Wait()

	confirmed, rejected := b.Count(`SELECT count(*) FROM orders WHERE status = 'confirmed'`), b.Count(`SELECT count(*) FROM orders WHERE status = 'rejected'`)
	if confirmed+rejected != len(ids) || confirmed == 0 || rejected < 12 {
		t.Errorf("%d confirmed, %d rejected of %d", confirmed, rejected, len(ids))
	}

	if n := b.Count(`SELECT balance FROM points_balances`); n != confirmed*order.PointsEarned {
		t.Errorf("balance %d for %d confirmed orders", n, confirmed)
	}

	if n := b.Count(`SELECT count(*) FROM notifications`); n != confirmed+2*rejected {
		t.Errorf("%d notifications", n)
	}

	if n := b.Count(`
		SELECT count(*)
		FROM order_lines AS l
		JOIN orders AS o ON o.id = l.order_id
		LEFT JOIN stock_movements AS m ON m.order_id = l.order_id AND m.sku = l.sku AND m.quantity = l.quantity
		WHERE (o.status = 'confirmed') <> (m.order_id IS NOT NULL)`); n != 0 {
		t.Errorf("%d lines without the one movement they should have, or with one they should not", n)
	}

	b.Invariants()
}

// Postgres text cannot hold NUL: the item with it fails, its neighbours do not.
func TestPlaceIsolatesWhatPostgresRefuses(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})

	var callers sync.WaitGroup

	for n := range 20 {
		callers.Go(func() {
			p := ordertest.Placement("", ordertest.Line("tea", 1))
			if n == 7 {
				p.Draft.UserID = "nul \x00"
			}

			_, err := b.Place.Do(t.Context(), p)
			if n == 7 && (order.CodeOf(err) != order.Invalid || strings.Contains(message(err), "SQLSTATE")) || n != 7 && err != nil {
				t.Errorf("item %d: %v", n, err)
			}
		})
	}

	callers.Wait()

	if n := b.Count(`SELECT count(*) FROM orders`); n != 19 {
		t.Errorf("%d orders", n)
	}
}

// message is what a client reads.
func message(err error) string {
	refusal, ok := errors.AsType[*order.Error](err)
	if !ok {
		return "SQLSTATE: no refusal at all"
	}

	return refusal.Message
}
