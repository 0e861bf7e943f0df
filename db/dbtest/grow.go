package dbtest

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// workOfOrders selects the work of all orders' steps.
const workOfOrders = `
	SELECT
		orders.id,
		steps.name AS kind,
		steps.name AS queue,
		steps.template,
		orders.batch_id,
		job_args(orders.id, steps.template) AS args
	FROM orders
	CROSS JOIN steps`

// Grow fills a database with n orders of n/20 customers, which are settled but for a
// few, and returns the newest 50. Each order has jobs that completed, and as many that
// live: of its own or, for every other hundred orders, shared ones.
func Grow(tb testing.TB, pool *pgxpool.Pool, n int) []uuid.UUID {
	tb.Helper()

	for _, sql := range []string{
		`INSERT INTO products (sku, name, price, currency, available, archived_at)
			SELECT 'sku-' || n, 'x', 1, 'EUR', 100, CASE WHEN n % 100 = 50 THEN now() END FROM generate_series(1, 5000) AS n`,
		`INSERT INTO stock_receipts (sku, reference, quantity) SELECT sku, 'r-' || n, 1 FROM products, generate_series(1, 5) AS n`,
		fmt.Sprintf(`INSERT INTO orders (id, user_id, status, currency, total, batch_id)
			SELECT lpad(to_hex(n), 32, '0')::uuid, 'u-' || n / 20, CASE WHEN n %% 1000 = 0 THEN 'rejected' ELSE 'confirmed' END, 'EUR', 1,
				CASE n / 100 %% 2 WHEN 0 THEN lpad(to_hex(n - n %% 100), 32, '0')::uuid END
			FROM generate_series(1, %d) AS n`, n),
		`INSERT INTO order_lines SELECT id, 'sku-1', 1, 1 FROM orders`,
		`INSERT INTO stock_movements (order_id, sku, kind, quantity) SELECT id, 'sku-1', 'deduct', 1 FROM orders`,
		`INSERT INTO points_entries (order_id, kind, user_id, points) SELECT id, 'earn', user_id, 10 FROM orders`,
		`INSERT INTO points_balances SELECT user_id, count(*) FROM orders GROUP BY user_id`,
		`INSERT INTO notifications (order_id, template, user_id, body) SELECT id, 'created', user_id, 'x' FROM orders`,
		`INSERT INTO idempotency_keys (scope, key, request_hash, order_id, created_at) SELECT 'orders', 'k-' || id, '', id,
			now() - CASE WHEN id < '00000000-0000-0000-0000-000000000064' THEN interval '2 days' ELSE interval '1 hour' END FROM orders`,
		`INSERT INTO river_job (state, max_attempts, args, kind, queue, finalized_at, unique_key, unique_states)
			SELECT 'completed', 10, args, kind, queue, now(), job_key(kind, id, template), B'11110001' FROM (` + workOfOrders + `) AS work`,
		`INSERT INTO payments (order_id, reference) SELECT id, id FROM orders`,
		`INSERT INTO refunds (reference, order_id, cause, order_status) SELECT reference, order_id, 'ended', 'cancelled' FROM payments`,
		`INSERT INTO order_events (order_id, type) SELECT id, 'x' FROM orders`,
		`INSERT INTO events (type, order_ids) SELECT 'order.created', ARRAY[id] FROM orders ORDER BY id`,
		`INSERT INTO endpoints (kind, url, secret, position_seq, position_n, created_by) VALUES ('webhook', 'x', 'x', 0, 0, 'x');
		INSERT INTO deliveries (endpoint_id, event_seq, event_id, event_type, event_at, order_id, state, attempts, next_at)
			SELECT endpoints.id, 1, 'order.created:' || orders.id, 'order.created', now(), orders.id,
				CASE WHEN orders.status = 'rejected' THEN 'waiting' ELSE 'sent' END, 1, CASE WHEN orders.status = 'rejected' THEN now() END
			FROM orders, endpoints ORDER BY orders.id`,
		`INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, resolved_at, resolution)
			SELECT id, kind, queue, (args->>'order_id')::uuid, args, '[]', 'x', 1, 'unknown', 'x', now(), 'dismissed' FROM river_job`,
		`INSERT INTO river_job (max_attempts, args, kind, queue, unique_key, unique_states)
			SELECT 10, args, kind, queue, job_key(kind, id, template), B'11110001'
			FROM (` + workOfOrders + `) AS work
			WHERE batch_id IS NULL`,
		`INSERT INTO river_job (max_attempts, args, kind, queue, unique_key, unique_states)
			SELECT 10, jsonb_build_object('batch_id', batch_id, 'order_ids', jsonb_agg(id)), kind || '_batch', queue,
				batch_job_key(kind, batch_id), B'11110001'
			FROM (` + workOfOrders + `) AS work
			WHERE batch_id IS NOT NULL
			GROUP BY kind, queue, batch_id`,
		`INSERT INTO redrives (operation_id, job_id, outcome, actor) SELECT gen_random_uuid(), job_id, 'x', 'x' FROM dead_letters`,
		`INSERT INTO operator_actions (at, actor, known_by, action, target_kind, target_id, order_id)
			SELECT now() - n * interval '1 second', 'a-' || n % 100, 'token', 'x-' || n % 20, 'dead_letter', n,
				lpad(to_hex(n), 32, '0')::uuid
			FROM generate_series(1, 20000) AS n`,
		`VACUUM ANALYZE`,
	} {
		if _, err := pool.Exec(tb.Context(), sql); err != nil {
			tb.Fatalf("dbtest: grow: %s: %v", sql, err)
		}
	}

	rows, _ := pool.Query(tb.Context(), `SELECT id FROM orders ORDER BY id DESC LIMIT 50`) // CollectRows returns its error
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		tb.Fatalf("dbtest: grow: %v", err)
	}

	return ids
}
