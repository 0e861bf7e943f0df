package flow_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/dbtest"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

func TestMain(m *testing.M) { dbtest.Main(m, db.MigrateUp) }

// bundle is what a test of a step works with.
type bundle struct {
	t     *testing.T
	pool  *pgxpool.Pool
	queue *river.Client[pgx.Tx]
	place *db.GroupCommit[flow.Placement, flow.Placed]
}

// setup gives the test a database with the products, each with its stock.
func setup(t *testing.T, stock map[string]int64) *bundle {
	t.Helper()

	return setupOn(t, dbtest.Pool(t), stock)
}

func setupOn(t *testing.T, pool *pgxpool.Pool, stock map[string]int64) *bundle {
	t.Helper()

	queue, err := jobs.NewClient(pool, nil, jobs.Defaults())
	if err != nil {
		t.Fatal(err)
	}

	b := &bundle{t: t, pool: pool, queue: queue, place: db.NewGroupCommit(pool, db.GroupOptions{}, flow.Place(queue))}
	t.Cleanup(b.place.Close)

	b.inTx(func(tx pgx.Tx) error {
		for sku, n := range stock {
			if _, err := db.PutProduct(t.Context(), tx, order.Product{SKU: sku, Name: sku, Price: 100, Currency: "EUR"}); err != nil {
				return err
			}

			if n > 0 {
				if _, err := db.Receive(t.Context(), tx, db.Receipt{SKU: sku, Reference: "test", Quantity: n}); err != nil {
					return err
				}
			}
		}

		return nil
	})

	return b
}

func (b *bundle) inTx(do func(tx pgx.Tx) error) {
	b.t.Helper()

	if err := db.InTx(b.t.Context(), b.pool, do); err != nil {
		b.t.Fatal(err)
	}
}

// order places an order of the lines and returns its id.
func (b *bundle) order(lines ...order.DraftLine) uuid.UUID {
	b.t.Helper()

	placed, err := b.place.Do(b.t.Context(), placement("", lines...))
	if err != nil {
		b.t.Fatal(err)
	}

	return placed.Order.ID
}

// run runs a step over ids in a transaction of its own and returns the items' errors.
func (b *bundle) run(step db.Batch[uuid.UUID, flow.None], ids ...uuid.UUID) (errs []error) {
	b.t.Helper()
	b.inTx(func(tx pgx.Tx) error {
		results, err := step(b.t.Context(), tx, ids)
		for _, r := range results {
			errs = append(errs, r.Err)
		}

		return err
	})

	return errs
}

func (b *bundle) read(id uuid.UUID) order.Order {
	b.t.Helper()

	o, err := db.Order(b.t.Context(), b.pool, id)
	if err != nil {
		b.t.Fatal(err)
	}

	return o
}

func (b *bundle) count(sql string, args ...any) (n int) {
	b.t.Helper()

	if err := b.pool.QueryRow(b.t.Context(), sql, args...).Scan(&n); err != nil {
		b.t.Fatal(err)
	}

	return n
}

// audit checks what must hold at every moment: stock and balances are the sums of their ledgers.
func (b *bundle) audit() {
	b.t.Helper()

	if n := b.count(`
		SELECT count(*)
		FROM products AS p
		WHERE p.available <> (SELECT coalesce(sum(quantity), 0) FROM stock_receipts AS r WHERE r.sku = p.sku)
			- (SELECT coalesce(sum(CASE kind WHEN 'deduct' THEN quantity ELSE -quantity END), 0)
				FROM stock_movements AS m WHERE m.sku = p.sku)`); n != 0 {
		b.t.Errorf("stock of %d products is not the sum of its ledgers", n)
	}

	if n := b.count(`
		SELECT count(*)
		FROM (SELECT user_id, sum(points) AS points FROM points_entries GROUP BY user_id) AS e
		FULL JOIN points_balances AS b USING (user_id)
		WHERE coalesce(e.points, 0) <> coalesce(b.balance, 0)`); n != 0 {
		b.t.Errorf("%d balances are not the sum of their entries", n)
	}
}

// invariants checks, beside the sums, what must hold of orders whose steps have all run.
func (b *bundle) invariants() {
	b.t.Helper()
	b.audit()

	for what, sql := range map[string]string{
		"confirmed orders lack a deduction": `
			SELECT count(*)
			FROM orders AS o
			JOIN order_lines AS l ON l.order_id = o.id
			LEFT JOIN stock_movements AS m ON m.order_id = o.id AND m.sku = l.sku AND m.kind = 'deduct' AND m.quantity = l.quantity
			WHERE o.status IN ('confirmed', 'awaiting_payment') AND m.order_id IS NULL`,
		"orders that are over do not net to zero in stock": `
			SELECT count(*)
			FROM orders AS o
			JOIN stock_movements AS m ON m.order_id = o.id
			WHERE o.status NOT IN ('pending', 'confirmed', 'awaiting_payment')
			GROUP BY o.id
			HAVING sum(CASE kind WHEN 'deduct' THEN quantity ELSE -quantity END) <> 0`,
		"orders that are over keep points": `
			SELECT count(*)
			FROM orders AS o
			WHERE o.status NOT IN ('pending', 'confirmed', 'awaiting_payment')
				AND (SELECT coalesce(sum(points), 0) FROM points_entries AS p WHERE p.order_id = o.id) <> 0`,
		"orders that are over did not tell their customer": `
			SELECT count(*)
			FROM orders AS o
			WHERE o.status NOT IN ('pending', 'confirmed', 'awaiting_payment')
				AND 2 <> (SELECT count(*) FROM notifications AS n WHERE n.order_id = o.id AND n.template IN ('created', o.status))`,
		"orders that are not over told their customer so": `
			SELECT count(*)
			FROM orders AS o
			JOIN notifications AS n ON n.order_id = o.id
			WHERE o.status IN ('pending', 'confirmed', 'awaiting_payment') AND n.template <> 'created'`,
		"orders are paid and not confirmed or over": `
			SELECT count(*)
			FROM orders AS o
			JOIN payments AS p ON p.order_id = o.id
			WHERE o.status NOT IN ('confirmed', 'cancelled')`,
	} {
		if n := b.count(`SELECT coalesce(sum(count), 0) FROM (` + sql + `) AS broken (count)`); n != 0 {
			b.t.Errorf("%d %s", n, what)
		}
	}
}

func line(sku string, quantity int64) order.DraftLine {
	return order.DraftLine{SKU: sku, Quantity: quantity}
}

func placement(key string, lines ...order.DraftLine) flow.Placement {
	return flow.Placement{
		OrderID:     uuid.Must(uuid.NewV7()),
		Draft:       order.Draft{UserID: "u-1", Lines: lines},
		Key:         key,
		RequestHash: []byte(fmt.Sprint(lines)),
	}
}

func notify(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]db.Result[flow.None], error) {
	notices := make([]db.Notice, len(ids))
	for i, id := range ids {
		notices[i] = db.Notice{OrderID: id, Template: order.NoticeCreated}
	}

	return flow.Notify(ctx, tx, notices)
}
