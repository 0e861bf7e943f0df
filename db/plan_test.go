package db_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/order"
)

// An explainer runs what it is asked and, before that, notes the plan that Postgres makes for it.
type explainer struct {
	tx      pgx.Tx
	options string // of EXPLAIN, in brackets
	plans   []string
}

func (e *explainer) explain(ctx context.Context, sql string, args []any) {
	rows, err := e.tx.Query(ctx, "EXPLAIN "+e.options+sql, args...)
	if err != nil {
		e.plans = append(e.plans, "EXPLAIN: "+err.Error())

		return
	}

	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		lines = append(lines, "EXPLAIN: "+err.Error())
	}

	e.plans = append(e.plans, strings.TrimSpace(sql)+"\n\n"+strings.Join(lines, "\n"))
}

func (e *explainer) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	e.explain(ctx, sql, args)

	return e.tx.Query(ctx, sql, args...)
}

func (e *explainer) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	e.explain(ctx, sql, args)

	return e.tx.QueryRow(ctx, sql, args...)
}

func (e *explainer) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	e.explain(ctx, sql, args)

	return e.tx.Exec(ctx, sql, args...)
}

// explainingTx is a transaction whose statements go through an explainer.
type explainingTx struct {
	pgx.Tx

	*explainer
}

func (e explainingTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return e.explainer.Query(ctx, sql, args...)
}

func (e explainingTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return e.explainer.QueryRow(ctx, sql, args...)
}

func (e explainingTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return e.explainer.Exec(ctx, sql, args...)
}

// workOfOrders selects the work of all orders' steps.
const workOfOrders = `
	SELECT id, kind, '' AS template, jsonb_build_object('order_id', id) AS args
	FROM orders, unnest('{inventory,points}'::text[]) AS kind
	UNION ALL
	SELECT id, 'notification', 'created', jsonb_build_object('order_id', id, 'template', 'created')
	FROM orders`

// grow fills a database with n settled orders of n/20 customers, and a few that are
// not. Each has jobs that completed, and those that live are as many.
func grow(t *testing.T, pool *pgxpool.Pool, n int) (ids []uuid.UUID) {
	t.Helper()

	for _, sql := range []string{
		`INSERT INTO products (sku, name, price, currency, available) SELECT 'sku-' || n, 'x', 1, 'EUR', 100 FROM generate_series(1, 5000) AS n`,
		`INSERT INTO stock_receipts (sku, reference, quantity) SELECT sku, 'r-' || n, 1 FROM products, generate_series(1, 5) AS n`,
		fmt.Sprintf(`INSERT INTO orders (id, user_id, status, currency, total)
			SELECT lpad(to_hex(n), 32, '0')::uuid, 'u-' || n / 20, CASE WHEN n %% 1000 = 0 THEN 'rejected' ELSE 'confirmed' END, 'EUR', 1
			FROM generate_series(1, %d) AS n`, n),
		`INSERT INTO order_lines SELECT id, 'sku-1', 1, 1 FROM orders`,
		`INSERT INTO stock_movements (order_id, sku, kind, quantity) SELECT id, 'sku-1', 'deduct', 1 FROM orders`,
		`INSERT INTO points_entries (order_id, kind, user_id, points) SELECT id, 'earn', user_id, 10 FROM orders`,
		`INSERT INTO points_balances SELECT user_id, count(*) FROM orders GROUP BY user_id`,
		`INSERT INTO notifications (order_id, template, user_id, body) SELECT id, 'created', user_id, 'x' FROM orders`,
		`INSERT INTO idempotency_keys (scope, key, request_hash, order_id, created_at) SELECT 'orders', 'k-' || id, '', id,
			now() - CASE WHEN id < '00000000-0000-0000-0000-000000000064' THEN interval '2 days' ELSE interval '1 hour' END FROM orders`,
		`INSERT INTO river_job (state, max_attempts, args, kind, queue, finalized_at, unique_key, unique_states)
			SELECT 'completed', 10, args, kind, kind, now(), job_key(kind, id, template), B'11110001' FROM (` + workOfOrders + `) AS work`,
		`INSERT INTO payments (order_id, reference) SELECT id, id FROM orders`,
		`INSERT INTO order_events (order_id, type) SELECT id, 'x' FROM orders`,
		`INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, resolved_at, resolution)
			SELECT id, kind, queue, (args->>'order_id')::uuid, args, '[]', 'x', 1, 'unknown', 'x', now(), 'dismissed' FROM river_job`,
		`INSERT INTO river_job (max_attempts, args, kind, queue, unique_key, unique_states)
			SELECT 10, args, kind, kind, job_key(kind, id, template), B'11110001' FROM (` + workOfOrders + `) AS work`,
		`INSERT INTO redrives (operation_id, job_id, outcome, actor) SELECT gen_random_uuid(), job_id, 'x', 'x' FROM dead_letters`,
		`VACUUM ANALYZE`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}

	rows, err := pool.Query(t.Context(), `SELECT id FROM orders ORDER BY id DESC LIMIT 50`)
	if err != nil {
		t.Fatal(err)
	}

	if ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil {
		t.Fatal(err)
	}

	return ids
}

// bounded takes out of a plan the scans of tables that have a row a process, a queue or a database.
var bounded = strings.NewReplacer(
	"Seq Scan on workers", "", "Seq Scan on watermarks", "", "Seq Scan on river_leader", "", "Seq Scan on river_queue", "", "Seq Scan on pg_database", "",
)

// No query of the API or of a step may read a table that grows from end to end.
func TestNoQueryScansATableThatGrows(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	ids := grow(t, pool, 20_000)
	before := db.LedgerPosition{At: time.Now(), OrderID: ids[0], Label: "x"}

	orders := []order.Order{{ID: uuid.Must(uuid.NewV7()), UserID: "u-1", Status: order.Pending, Currency: "EUR", Lines: []order.Line{{SKU: "sku-1", Quantity: 1}}}}

	for name, do := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"read an order": func(ctx context.Context, tx pgx.Tx) error { return second(db.Order(ctx, tx, ids[0])) },
		"list orders": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.ListOrders(ctx, tx, db.OrderFilter{Limit: 50}))
		},
		"list orders, next page": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.ListOrders(ctx, tx, db.OrderFilter{Before: ids[9], Limit: 50}))
		},
		"list a user's orders": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.ListOrders(ctx, tx, db.OrderFilter{UserID: "u-7", Limit: 50}))
		},
		"list rejected orders": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.ListOrders(ctx, tx, db.OrderFilter{Status: order.Rejected, Limit: 50}))
		},
		"list pending orders, of which there are none": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.ListOrders(ctx, tx, db.OrderFilter{Status: order.Pending, Limit: 50}))
		},
		"list confirmed orders": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.ListOrders(ctx, tx, db.OrderFilter{Status: order.Confirmed, Limit: 50}))
		},
		"list products":  func(ctx context.Context, tx pgx.Tx) error { return second(db.Products(ctx, tx, "sku-2", 50)) },
		"read a product": func(ctx context.Context, tx pgx.Tx) error { return second(db.Product(ctx, tx, "sku-2")) },
		"put a product": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.PutProduct(ctx, tx, order.Product{SKU: "sku-2", Currency: "EUR"}))
		},
		"book a receipt": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.Receive(ctx, tx, db.Receipt{SKU: "sku-2", Reference: "new", Quantity: 1}))
		},
		"book a receipt again": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.Receive(ctx, tx, db.Receipt{SKU: "sku-2", Reference: "r-1", Quantity: 1}))
		},
		"read a balance": func(ctx context.Context, tx pgx.Tx) error { return second(db.Balance(ctx, tx, "u-7")) },
		"list points":    func(ctx context.Context, tx pgx.Tx) error { return second(db.PointsEntries(ctx, tx, "u-7", nil, 50)) },
		"list points, next page": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.PointsEntries(ctx, tx, "u-7", &before, 50))
		},
		"read an inbox": func(ctx context.Context, tx pgx.Tx) error { return second(db.Inbox(ctx, tx, "u-7", nil, 50)) },
		"read an inbox, next page": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.Inbox(ctx, tx, "u-7", &before, 50))
		},
		"find keys": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.FindKeys(ctx, tx, "orders", []string{"k-1", "k-2"}))
		},
		"claim keys": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.ClaimKeys(ctx, tx, "orders", []db.Key{{Key: "new", RequestHash: []byte{}, OrderID: ids[0]}}))
		},
		"prune keys": func(ctx context.Context, tx pgx.Tx) error { return second(db.PruneKeys(ctx, tx, 50)) },
		"read prices": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.Catalogue(ctx, tx, []string{"sku-1", "sku-2"}))
		},
		"insert orders": func(ctx context.Context, tx pgx.Tx) error { return second(db.InsertOrders(ctx, tx, orders)) },
		"lock orders":   func(ctx context.Context, tx pgx.Tx) error { return second(db.LockPending(ctx, tx, ids)) },
		"lock stock": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.LockStock(ctx, tx, []string{"sku-1", "sku-2"}))
		},
		"deduct stock": func(ctx context.Context, tx pgx.Tx) error { return db.Deduct(ctx, tx, orders) },
		"set status": func(ctx context.Context, tx pgx.Tx) error {
			return db.SetStatus(ctx, tx, []db.Move{{OrderID: ids[0], To: order.Confirmed}})
		},
		"earn points":      func(ctx context.Context, tx pgx.Tx) error { return second(db.Earn(ctx, tx, ids, 10)) },
		"take back points": func(ctx context.Context, tx pgx.Tx) error { return db.TakeBackPoints(ctx, tx, ids) },
		"notify": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.Notify(ctx, tx, []db.Notice{{OrderID: ids[0], Template: order.NoticeRejected}}))
		},
		"read a timeline":  func(ctx context.Context, tx pgx.Tx) error { return second(db.Timeline(ctx, tx, ids[0], 1_000)) },
		"explain an order": func(ctx context.Context, tx pgx.Tx) error { return second(db.Facts(ctx, tx, ids[0])) },
		"lock overdue orders": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.LockOverdue(ctx, tx, 15*time.Minute, time.Minute, 100))
		},
		"lock letters to redrive": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.LockDueLetters(ctx, tx, db.DueForRedrive, []time.Duration{time.Minute}, 100))
		},
		"lock letters to fail": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.LockDueLetters(ctx, tx, db.DueToFail, []time.Duration{time.Minute}, 100))
		},
		"walk the orders, and look for orphans": func(ctx context.Context, tx pgx.Tx) error {
			stretch, err := db.Walk{Name: "test", Most: 100}.Next(ctx, tx)
			if err != nil {
				return err
			}

			return second(db.Orphans(ctx, tx, stretch))
		},
		"look work up": func(ctx context.Context, tx pgx.Tx) error {
			return second(db.Standings(ctx, tx, []db.Work{{Kind: "points", OrderID: ids[0]}, {Kind: "notification", OrderID: ids[1], Template: "created"}}))
		},
		"find missing orders": func(ctx context.Context, tx pgx.Tx) error { return second(db.Missing(ctx, tx, ids)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			rollback := errors.New("rolled back")

			err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
				// The jit would only make the plans harder to read.
				if _, err := tx.Exec(t.Context(), `SET LOCAL jit = off`); err != nil {
					return err
				}

				e := &explainer{tx: tx}

				if err := do(t.Context(), explainingTx{tx, e}); err != nil {
					return err
				}

				if len(e.plans) == 0 {
					t.Error("no statement was explained")
				}

				for _, plan := range e.plans {
					byOrder := strings.Contains(plan, "FROM live_jobs") || strings.Contains(plan, "JOIN live_jobs")

					if strings.Contains(bounded.Replace(plan), "Seq Scan") || strings.Contains(plan, "EXPLAIN: ") ||
						byOrder && !strings.Contains(plan, "Index Scan using river_job_unique_idx") {
						t.Error(plan)
					}
				}

				return rollback
			})
			if err != rollback { //nolint:errorlint // it comes back as it is
				t.Error(err)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }
