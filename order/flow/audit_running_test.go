package flow_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"orders/db/catalogue"
	"orders/db/groupcommit"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
)

// A step looks at no more than its share, and what is behind it is not looked at again.
func TestAuditIsBounded(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 1_000})

	const orders = 60

	ids := make([]uuid.UUID, 0, orders)
	for range orders {
		ids = append(ids, b.Order(ordertest.Line("tea", 1)))
	}

	b.Settle(ids...)

	b.Exec(`UPDATE orders SET created_at = moment, updated_at = moment FROM (SELECT id, now() - interval '1 hour' + rank() OVER (ORDER BY id) * interval '1 second' AS moment FROM orders) AS o WHERE o.id = orders.id`)

	for _, ledger := range []string{"stock_movements", "points_entries", "notifications"} {
		b.Exec(`UPDATE ` + ledger + ` SET at = created_at FROM orders WHERE id = order_id`)
	}

	violations, taken := auditOn(b, 0, 10)
	if len(violations) > 0 || len(taken) != orders/10+1 {
		t.Errorf("%+v in %d steps", violations, len(taken))
	}

	for n, step := range taken[:orders/10] {
		if step.Orders != 10 {
			t.Errorf("step %d looks at %d orders", n, step.Orders)
		}
	}

	if _, again := auditOn(b, 0, 10); len(again) != 1 || again[0].Orders != 0 {
		t.Errorf("with nothing new: %+v", again)
	}
}

// A transaction by hand may be older than any of ours. What it writes has the
// moment at which it began, and must not be missed when it commits.
func TestAuditWaitsForOpenTransactions(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100, "mug": 100, "pot": 0})

	tx, err := b.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))

	if _, _, err := catalogue.Book(t.Context(), tx, catalogue.Receipt{SKU: "pot", Reference: "by hand", Quantity: 5}); err != nil {
		t.Fatal(err)
	}

	history(b)

	if violations, _ := auditOn(b, 0, 0); len(violations) > 0 {
		t.Errorf("while it is open: %+v", violations)
	}

	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	if violations, _ := auditOn(b, 0, 0); len(violations) > 0 {
		t.Errorf("when it has committed: %+v", violations)
	}
}

// Orders are placed, worked on and cancelled while audits run, one after the other.
func TestAuditOfARunningSystemFindsNothing(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 150, "mug": 10_000})
	groups := map[order.StepName]*groupcommit.Group[uuid.UUID, flow.None]{}

	for _, step := range order.Steps() {
		groups[step.Name] = groupcommit.New(b.Pool, groupcommit.Options{MaxBatch: 16}, b.Step(step.Name))
		t.Cleanup(groups[step.Name].Close)
	}

	cancel := groupcommit.New(b.Pool, groupcommit.Options{}, flow.Cancel)
	t.Cleanup(cancel.Close)

	var customers sync.WaitGroup

	for range 12 {
		customers.Go(func() {
			for n := range 25 {
				placed, err := b.Place.Do(t.Context(), ordertest.Placement(uuid.NewString(), ordertest.Line("tea", 1), ordertest.Line("mug", 2)))
				if err != nil {
					t.Error(err)

					return
				}

				var acts sync.WaitGroup

				for _, group := range groups {
					acts.Go(func() {
						if _, err := group.Do(t.Context(), placed.Order.ID); err != nil {
							t.Error(err)
						}
					})
				}

				if n%3 == 0 {
					time.Sleep(rand.N(5 * time.Millisecond))
					cancel.Do(t.Context(), flow.Cancellation{OrderID: placed.Order.ID, Reason: "random"}) // refused when it was rejected
				}

				acts.Wait()
			}
		})
	}

	done := make(chan struct{})

	go func() {
		customers.Wait()
		close(done)
	}()

	audits := 0

	for running := true; running; audits++ {
		select {
		case <-done:
			running = false
		default:
		}

		violations, _ := auditOn(b, 100*time.Millisecond, 20)
		if violations = append(violations, b.Violations()...); len(violations) > 0 {
			t.Fatalf("audit %d: %+v", audits, violations)
		}
	}

	if n := b.Count(`SELECT count(DISTINCT status) FROM orders`); audits < 2 || n != 3 {
		t.Errorf("%d audits, %d kinds of orders: that checks too little", audits, n)
	}
}
