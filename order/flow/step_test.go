package flow_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
	"orders/order/flow"
)

// steps are the three of a new order.
var steps = map[order.StepName]db.Batch[uuid.UUID, flow.None]{
	order.Inventory:    flow.Reserve,
	order.Points:       flow.Award,
	order.Notification: notify,
}

func TestStepsHappenOnceHoweverOftenTheyRun(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10, "mug": 10})
	first, second := b.order(line("tea", 2), line("mug", 1)), b.order(line("tea", 3))

	for range 3 {
		for _, step := range steps {
			b.run(step, first, second, first) // the same order twice in one batch, too
		}
	}

	for _, id := range []uuid.UUID{first, second} {
		o := b.read(id)
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
		if got := b.count(sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}

	b.audit()
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

			b := setup(t, map[string]int64{"tea": 5, "mug": 10})
			id := b.order(line("mug", 1), line("tea", 6))
			served := b.order(line("tea", 5))

			for _, step := range before {
				b.run(steps[step], id, served)
			}

			b.run(flow.Reserve, served, id)

			for range 2 { // what has not run yet runs behind it, and must find nothing to do
				for _, step := range steps {
					b.run(step, id, served)
				}
			}

			o := b.read(id)
			if o.Status != order.Rejected || o.StatusReason != "out of stock: tea (wanted 6, left 5)" {
				t.Errorf("order is %s: %q", o.Status, o.StatusReason)
			}

			if other := b.read(served); other.Status != order.Confirmed {
				t.Errorf("the order behind it is %s", other.Status)
			}

			if n := b.count(`SELECT coalesce(sum(points), 0) FROM points_entries WHERE order_id = $1`, id); n != 0 {
				t.Errorf("the rejected order keeps %d points", n)
			}

			if n := b.count(`SELECT balance FROM points_balances WHERE user_id = 'u-1'`); n != order.PointsEarned {
				t.Errorf("balance is %d", n)
			}

			if n := b.count(`SELECT count(*) FROM stock_movements WHERE order_id = $1`, id); n != 0 {
				t.Errorf("%d movements for an order that got nothing", n)
			}

			inbox, err := db.Inbox(t.Context(), b.pool, "u-1", nil, 10)
			if err != nil {
				t.Fatal(err)
			}

			inbox = slices.DeleteFunc(inbox, func(n db.Notification) bool { return n.OrderID != id })
			if len(inbox) != 2 || inbox[0].Template != "rejected" || inbox[1].Template != "created" {
				t.Errorf("inbox, newest first: %+v", inbox)
			}

			b.audit()
		})
	}
}

func TestStepsRefuseAnOrderThatIsNotThere(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 5})
	there, missing := b.order(line("tea", 1)), uuid.Must(uuid.NewV7())

	for name, step := range steps {
		errs := b.run(step, missing, there)
		if order.CodeOf(errs[0]) != order.NotFound || errs[1] != nil {
			t.Errorf("%s: %v", name, errs)
		}
	}
}

func TestNotifyRefusesAnUnknownTemplate(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 5})
	id := b.order(line("tea", 1))

	b.inTx(func(tx pgx.Tx) error {
		results, err := flow.Notify(t.Context(), tx, []db.Notice{{OrderID: id, Template: "of-tomorrow"}, {OrderID: id, Template: order.NoticeCreated}})
		if err == nil && (results[0].Err == nil || results[1].Err != nil) {
			t.Errorf("results %+v", results)
		}

		return err
	})

	if n := b.count(`SELECT count(*) FROM notifications`); n != 1 {
		t.Errorf("%d notifications", n)
	}
}

// All steps of many orders for little stock run at once, each several times, in
// batches of random members and sequence, as several processes would do it.
func TestStepsAtTheSameMoment(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 60, "mug": 60, "pot": 0})

	ids := make([]uuid.UUID, 0, 120)

	for n := range 120 {
		lines := []order.DraftLine{line("tea", int64(n%3+1)), line("mug", 1)}
		if n%2 == 0 {
			slices.Reverse(lines)
		}

		if n%10 == 0 {
			lines = append(lines, line("pot", 1))
		}

		ids = append(ids, b.order(lines...))
	}

	var runs sync.WaitGroup

	for range 4 {
		for name, step := range steps {
			group := db.NewGroupCommit(b.pool, db.GroupOptions{MaxBatch: 16}, step)
			t.Cleanup(group.Close)

			for _, n := range rand.Perm(len(ids)) {
				runs.Go(func() {
					if _, err := group.Do(t.Context(), ids[n]); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
		}
	}

	runs.Wait()

	confirmed, rejected := b.count(`SELECT count(*) FROM orders WHERE status = 'confirmed'`), b.count(`SELECT count(*) FROM orders WHERE status = 'rejected'`)
	if confirmed+rejected != len(ids) || confirmed == 0 || rejected < 12 {
		t.Errorf("%d confirmed, %d rejected of %d", confirmed, rejected, len(ids))
	}

	if n := b.count(`SELECT balance FROM points_balances`); n != confirmed*order.PointsEarned {
		t.Errorf("balance %d for %d confirmed orders", n, confirmed)
	}

	if n := b.count(`SELECT count(*) FROM notifications`); n != confirmed+2*rejected {
		t.Errorf("%d notifications", n)
	}

	if n := b.count(`
		SELECT count(*)
		FROM order_lines AS l
		JOIN orders AS o ON o.id = l.order_id
		LEFT JOIN stock_movements AS m ON m.order_id = l.order_id AND m.sku = l.sku AND m.quantity = l.quantity
		WHERE (o.status = 'confirmed') <> (m.order_id IS NOT NULL)`); n != 0 {
		t.Errorf("%d lines without the one movement they should have, or with one they should not", n)
	}

	b.audit()
}

// Postgres text cannot hold NUL: the item with it fails, its neighbours do not.
func TestPlaceIsolatesWhatPostgresRefuses(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 100})

	var callers sync.WaitGroup

	for n := range 20 {
		callers.Go(func() {
			p := placement("", line("tea", 1))
			if n == 7 {
				p.Draft.UserID = "nul \x00"
			}

			_, err := b.place.Do(t.Context(), p)
			if n == 7 && (order.CodeOf(err) != order.Invalid || strings.Contains(message(err), "SQLSTATE")) || n != 7 && err != nil {
				t.Errorf("item %d: %v", n, err)
			}
		})
	}

	callers.Wait()

	if n := b.count(`SELECT count(*) FROM orders`); n != 19 {
		t.Errorf("%d orders", n)
	}
}

// message is what a client is told.
func message(err error) string {
	refusal, ok := errors.AsType[*order.Error](err)
	if !ok {
		return "SQLSTATE: no refusal at all"
	}

	return refusal.Message
}
