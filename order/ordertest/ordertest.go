// Package ordertest gives tests orders in a real database, and what it takes to move them: placing, the
// steps, payment, cancellation and dead jobs.
//
//	func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }
//
//	func TestCancel(t *testing.T) {
//		t.Parallel()
//		b := ordertest.Setup(t, map[string]int64{"tea": 10})
//		id := b.Order(ordertest.Line("tea", 2))
//		b.Settle(id)
//
// No worker runs: jobs stay in the queue as they were enqueued, and a test applies the steps itself. Helpers fail
// the test when something goes wrong that the test is not about.
package ordertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/audit"
	"orders/db/catalogue"
	"orders/db/dbtest"
	"orders/db/groupcommit"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// User is the customer of all orders of this package.
const User = "u-1"

// A Bundle is a database with products, and a queue to enqueue with.
type Bundle struct {
	T     *testing.T
	Pool  *pgxpool.Pool
	Queue *flow.Queue
	Place *groupcommit.Group[flow.Placement, flow.Placed]
}

// Setup gives the test a database of its own with the products, each with its stock.
func Setup(t *testing.T, stock map[string]int64) *Bundle {
	t.Helper()

	return On(t, dbtest.Pool(t), stock)
}

// On is [Setup] on a database that the test has already.
func On(t *testing.T, pool *pgxpool.Pool, stock map[string]int64) *Bundle {
	t.Helper()

	queue, err := jobs.NewClient(pool, nil, jobs.Defaults())
	if err != nil {
		t.Fatal(err)
	}

	b := &Bundle{T: t, Pool: pool, Queue: queue, Place: groupcommit.New(pool, groupcommit.Options{}, flow.Place(queue))}
	t.Cleanup(b.Place.Close)

	b.InTx(func(tx pgx.Tx) error {
		for sku, n := range stock {
			product := order.Product{SKU: sku, Name: sku, Price: 100, Currency: "EUR", Available: n}
			if err := catalogue.Add(t.Context(), tx, product, "test"); err != nil {
				return err
			}
		}

		return nil
	})

	return b
}

// Line asks for a quantity of a product.
func Line(sku string, quantity int64) order.DraftLine {
	return order.DraftLine{SKU: sku, Quantity: quantity}
}

// Placement asks for an order of the lines; key is its Idempotency-Key, empty for none.
func Placement(key string, lines ...order.DraftLine) flow.Placement {
	return flow.Placement{
		OrderID:     uuid.Must(uuid.NewV7()),
		Draft:       order.Draft{UserID: User, Lines: lines},
		Key:         key,
		RequestHash: []byte(fmt.Sprint(lines)),
	}
}

// Order places an order of the lines and returns its id.
func (b *Bundle) Order(lines ...order.DraftLine) uuid.UUID {
	b.T.Helper()

	return b.placed(Placement("", lines...))
}

// Old places an order whose id is of the year 2024: for the sweeps, it should have settled.
func (b *Bundle) Old(lines ...order.DraftLine) uuid.UUID {
	b.T.Helper()

	p := Placement("", lines...)
	copy(p.OrderID[:6], []byte{0x01, 0x90}) // the time of a UUIDv7

	return b.placed(p)
}

// Held places an order that waits for payment until hold from now, which may be in the past.
func (b *Bundle) Held(hold time.Duration, lines ...order.DraftLine) uuid.UUID {
	b.T.Helper()

	p := Placement("", lines...)
	p.Draft.Hold = hold

	return b.placed(p)
}

func (b *Bundle) placed(p flow.Placement) uuid.UUID {
	b.T.Helper()

	placed, err := b.Place.Do(b.T.Context(), p)
	if err != nil {
		b.T.Fatal(err)
	}

	return placed.Order.ID
}

// Read reads an order.
func (b *Bundle) Read(id uuid.UUID) order.Order {
	b.T.Helper()

	o, err := db.Order(b.T.Context(), b.Pool, id)
	if err != nil {
		b.T.Fatal(err)
	}

	return o
}

// InTx runs do in a transaction that is as short as a group commit's.
func (b *Bundle) InTx(do func(tx pgx.Tx) error) {
	b.T.Helper()

	ctx, cancel := context.WithTimeout(b.T.Context(), 10*time.Second)
	defer cancel()

	if err := db.InTx(ctx, b.Pool, do); err != nil {
		b.T.Fatal(err)
	}
}

// Exec runs a statement.
func (b *Bundle) Exec(sql string, args ...any) {
	b.T.Helper()

	if _, err := b.Pool.Exec(b.T.Context(), sql, args...); err != nil {
		b.T.Fatalf("%s: %v", sql, err)
	}
}

// Count runs a query whose result is one number.
func (b *Bundle) Count(sql string, args ...any) (n int) {
	b.T.Helper()

	if err := b.Pool.QueryRow(b.T.Context(), sql, args...).Scan(&n); err != nil {
		b.T.Fatalf("%s: %v", sql, err)
	}

	return n
}

// Violations is what a full audit finds.
func (b *Bundle) Violations() []audit.Violation {
	b.T.Helper()

	violations, err := CheckAll(b.T.Context(), b.Pool, 0)
	if err != nil {
		b.T.Fatal(err)
	}

	return violations
}

// CheckAll looks for violations of all invariants in all there is.
func CheckAll(ctx context.Context, q db.Querier, grace time.Duration) ([]audit.Violation, error) {
	var violations []audit.Violation

	for _, i := range audit.Invariants() {
		found, err := i.Check(ctx, q, grace, nil)
		if err != nil {
			return nil, err
		}

		violations = append(violations, found...)
	}

	return violations, nil
}

// Invariants fails the test when a full audit finds anything, and when others were not told
// exactly what is so.
func (b *Bundle) Invariants() {
	b.T.Helper()

	for _, v := range b.Violations() {
		b.T.Errorf("%s is broken: %s: %s", v.Invariant, v.Subject, v.Detail)
	}

	rows, err := b.Pool.Query(b.T.Context(), `
		WITH told AS (
			SELECT type, o.id
			FROM events
			CROSS JOIN LATERAL unnest(order_ids) AS o (id)
			WHERE type <> 'order.confirmed' -- an order can end after it
		), so AS (
			SELECT 'order.created' AS type, id FROM orders
			UNION ALL
			SELECT 'order.' || status, id FROM orders WHERE status NOT IN ('pending', 'awaiting_payment', 'confirmed')
			UNION ALL
			SELECT 'points.earned', order_id FROM points_entries WHERE kind = 'earn' AND points > 0
			UNION ALL
			SELECT 'points.reversed', order_id FROM points_entries WHERE kind = 'reverse'
		)
		(SELECT 'not told' AS what, * FROM so EXCEPT ALL SELECT 'not told', * FROM told)
		UNION ALL
		(SELECT 'told, but not so', * FROM told EXCEPT ALL SELECT 'told, but not so', * FROM so)`)
	if err != nil {
		b.T.Fatal(err)
	}

	var (
		what, kind string
		id         uuid.UUID
	)

	if _, err := pgx.ForEachRow(rows, []any{&what, &kind, &id}, func() error {
		b.T.Errorf("event %s of order %s: %s", kind, id, what)

		return nil
	}); err != nil {
		b.T.Fatal(err)
	}
}
