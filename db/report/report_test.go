package report_test

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/report"
	"orders/jobs"
)

var reportNames = []string{
	"actions", "bloat", "customers-affected", "dead-letter-outcomes", "dead-letters", "deliveries", "failures", "failures-by-hour", "latencies", "low-stock", "orders-by-hour",
	"points-by-hour", "points-reconciliation", "queue-depth", "refunds-due", "sessions", "settle-times", "stock-movements",
	"stock-reconciliation", "throughput-by-hour", "throughput-by-minute", "top-customers", "undone-steps", "vacuum",
}

// reportBundle is a transaction of the test's own: in it now() stands still, so
// that ages come out exact, and nothing of it stays.
type reportBundle struct {
	pgx.Tx

	now time.Time
}

func setupReport(t *testing.T) reportBundle {
	t.Helper()

	pool, err := db.Open(t.Context(), dbtest.URL(t))
	if err != nil {
		t.Fatalf("open pool: %v", err)
	}

	t.Cleanup(pool.Close)

	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatalf("begin: %v", err)
	}

	t.Cleanup(func() { tx.Rollback(context.WithoutCancel(t.Context())) })

	b := reportBundle{Tx: tx}
	b.seed(t, `
		CREATE FUNCTION pg_temp.id_at(at timestamptz) RETURNS uuid
		LANGUAGE sql
		RETURN (left(uuid_at(at)::text, 15) || substr(gen_random_uuid()::text, 16))::uuid`)

	if err := tx.QueryRow(t.Context(), "SELECT now()").Scan(&b.now); err != nil {
		t.Fatalf("read now: %v", err)
	}

	return b
}

func (b reportBundle) seed(t *testing.T, statements ...string) {
	t.Helper()

	for _, sql := range statements {
		if _, err := b.Exec(t.Context(), sql); err != nil {
			t.Fatalf("seed: %v\n%s", err, sql)
		}
	}
}

// check runs the report and compares all of its rows. Whole numbers come as int64.
func (b reportBundle) check(t *testing.T, name string, want [][]any) {
	t.Helper()
	b.checkWith(t, name, nil, want)
}

// checkWith is check with parameters.
func (b reportBundle) checkWith(t *testing.T, name string, args map[string]string, want [][]any) {
	t.Helper()

	got, err := report.Run(t.Context(), b, name, report.Query{Args: args})
	if err != nil {
		t.Fatalf("run report: %v", err)
	}

	for i := range max(len(got.Rows), len(want)) {
		var g, w []any
		if i < len(got.Rows) {
			g = got.Rows[i]
		}

		if i < len(want) {
			w = want[i]
		}

		for j, value := range w {
			if number, ok := value.(int); ok {
				w[j] = int64(number)
			}
		}

		if !reflect.DeepEqual(g, w) {
			t.Errorf("row %d of %v:\n got %v\nwant %v", i, got.Columns, g, w)
		}
	}
}

func TestReportOrdersByHour(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `
		INSERT INTO orders (id, user_id, status, currency, total, created_at)
		SELECT pg_temp.id_at(o.at), 'u', o.status, 'EUR', 0, o.at
		FROM date_trunc('hour', now(), 'UTC') AS hour
		CROSS JOIN LATERAL (VALUES
			('pending', now()),
			('confirmed', hour),
			('confirmed', hour - interval '1 millisecond'),
			('confirmed', hour - interval '10 minutes'),
			('rejected', hour - interval '1 hour'),
			('cancelled', hour - interval '23 hours'),
			('cancelled', now() - interval '24 hours 1 second')
		) AS o (status, at)`)

	hour := b.now.Truncate(time.Hour)
	b.check(t, "orders-by-hour", [][]any{
		{hour, "confirmed", 1},
		{hour, "pending", 1},
		{hour.Add(-time.Hour), "confirmed", 2},
		{hour.Add(-time.Hour), "rejected", 1},
		{hour.Add(-23 * time.Hour), "cancelled", 1},
	})
	b.checkWith(t, "orders-by-hour", map[string]string{"since": "now-2d", "until": hour.Add(-time.Minute).Format(time.RFC3339)}, [][]any{
		{hour.Add(-time.Hour), "confirmed", 1},
		{hour.Add(-time.Hour), "rejected", 1},
		{hour.Add(-23 * time.Hour), "cancelled", 1},
		{b.now.Add(-24*time.Hour - time.Second).Truncate(time.Hour), "cancelled", 1},
	})
}

func TestReportSettleTimes(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `
		CREATE TEMPORARY TABLE placed ON COMMIT DROP AS
		SELECT n, pg_temp.id_at(now() - interval '10 minutes') AS id, now() - interval '10 minutes' AS at
		FROM generate_series(1, 203) AS n`, `
		-- 1 to 199 go well, 200 has no stock, 201 and 202 are on their way, 203 waits for payment.
		INSERT INTO orders (id, user_id, status, currency, total, hold_until, created_at, updated_at)
		SELECT
			id, 'u',
			CASE WHEN n < 200 THEN 'confirmed' WHEN n = 200 THEN 'rejected' WHEN n = 203 THEN 'awaiting_payment' ELSE 'pending' END,
			'EUR', 0,
			CASE WHEN n = 203 THEN now() END,
			at,
			at + n * interval '1 ms'
		FROM placed
		UNION ALL
		SELECT pg_temp.id_at(now() - interval '61 minutes'), 'too old', 'pending', 'EUR', 0, NULL, now() - interval '61 minutes', now()`, `
		-- The nth order's steps take n, 2n and 3n ms; two lines each. What undid them later must not count.
		INSERT INTO stock_movements (order_id, sku, kind, quantity, at)
		SELECT id, sku, kind, 1, CASE kind WHEN 'deduct' THEN at + n * interval '1 ms' ELSE now() END
		FROM placed, (VALUES ('a', 'deduct'), ('b', 'deduct'), ('b', 'release')) AS line (sku, kind)
		WHERE n < 200`, `
		INSERT INTO points_entries (order_id, kind, user_id, points, at)
		SELECT id, kind, 'u', CASE WHEN kind = 'reverse' THEN -10 WHEN n = 200 THEN 0 ELSE 10 END,
			CASE kind WHEN 'earn' THEN at + n * interval '2 ms' ELSE now() END
		FROM placed, (VALUES ('earn'), ('reverse')) AS entry (kind)
		WHERE n <= 201`, `
		INSERT INTO notifications (order_id, template, user_id, body, at)
		SELECT id, 'created', 'u', '', at + n * interval '3 ms'
		FROM placed
		WHERE n <= 200
		UNION ALL
		SELECT id, 'rejected', 'u', '', now()
		FROM placed`)
	b.check(t, "settle-times", [][]any{
		{"inventory", 200, 2, 0, 100, 180, 198, 200},
		{"notification", 200, 2, 0, 300, 540, 594, 600},
		{"points", 201, 1, 0, 202, 362, 398, 402},
		{"order", 200, 2, 0, 300, 540, 594, 600},
	})
}

// Without orders there is nothing to measure, which is not a time of zero.
func TestReportSettleTimesWhileAllWait(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.check(t, "settle-times", nil)
	b.seed(t, `
		INSERT INTO orders (id, user_id, status, currency, total)
		VALUES (pg_temp.id_at(now()), 'u', 'pending', 'EUR', 0)`)
	b.check(t, "settle-times", [][]any{
		{"inventory", 0, 1, 0, nil, nil, nil, nil},
		{"notification", 0, 1, 0, nil, nil, nil, nil},
		{"points", 0, 1, 0, nil, nil, nil, nil},
		{"order", 0, 1, 0, nil, nil, nil, nil},
	})
}

// An order that has ended waits for nothing, whatever its ledgers have. A step whose dead letter was dismissed waits for
// nothing either.
func TestReportSettleTimesWhileNothingIsPending(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `
		INSERT INTO orders (id, user_id, status, currency, total)
		VALUES ((left(uuid_at(now())::text, 35) || '1')::uuid, 'u', 'cancelled', 'EUR', 0), ((left(uuid_at(now())::text, 35) || '2')::uuid, 'u', 'confirmed', 'EUR', 0)`, `
		INSERT INTO stock_movements (order_id, sku, kind, quantity)
		VALUES ((left(uuid_at(now())::text, 35) || '2')::uuid, 'a', 'deduct', 1)`, `
		INSERT INTO notifications (order_id, template, user_id, body)
		VALUES ((left(uuid_at(now())::text, 35) || '2')::uuid, 'created', 'u', '')`, `
		INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, resolved_at, resolution)
		VALUES (1, 'points', 'points', (left(uuid_at(now())::text, 35) || '2')::uuid, '{}', '[]', 'x', 10, 'unknown', 'x', now(), 'dismissed')`)
	b.check(t, "settle-times", [][]any{
		{"inventory", 2, 0, 0, 0, 0, 0, 0}, // the cancelled order's status is its effect
		{"notification", 1, 0, 0, 0, 0, 0, 0},
		{"points", 0, 0, 1, nil, nil, nil, nil},
		{"order", 0, 0, 1, nil, nil, nil, nil},
	})
}

// A shared job is as many orders as its metadata says or, if it is of a program of before, its args.
func TestReportQueueDepth(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	first, second := uuid.NewString(), uuid.NewString()

	b.seed(t, `
		INSERT INTO river_queue (name, paused_at, updated_at)
		VALUES ('points', NULL, now()), ('maintenance', now(), now()), ('newer', NULL, now())`, `
		INSERT INTO river_job (queue, kind, state, scheduled_at, finalized_at, max_attempts, args, metadata)
		SELECT j.queue, j.kind, j.state::river_job_state, now() - j.ago, CASE WHEN j.state = 'completed' THEN now() END, 10, j.args::jsonb, j.metadata::jsonb
		FROM (VALUES
			('points', 'points_batch', 'available', interval '90 seconds', '{"order_ids": ["`+first+`", "x", "x"]}', '{}'),
			('points', 'points_batch', 'available', interval '20 seconds', '{"order_ids": ["x"]}', '{"orders:count": 256}'),
			('points', 'points_batch', 'available', interval '10 seconds', '{"order_ids": "broken"}', '{"orders:count": "broken"}'),
			('points', 'points', 'available', interval '1 second', '{"order_id": "`+second+`"}', '{"orders:count": 256}'), -- split off by a program of before
			('points', 'points_batch', 'running', interval '1 hour', '{}', '{"orders:count": 7}'),
			('points', 'points', 'retryable', interval '-5 seconds', '{"order_id": "x"}', '{}'),
			('points', 'points_batch', 'retryable', interval '-5 seconds', '{}', '{"orders:count": 2}'),
			('points', 'points', 'completed', interval '2 hours', '{"order_id": "x"}', '{}'),
			('lifecycle', 'expire', 'scheduled', interval '-1 hour', '{"order_id": "x"}', '{}'),
			('maintenance', 'prune', 'retryable', interval '10 minutes', '{}', '{}'), -- no scheduler has made it available
			('maintenance', 'audit', 'scheduled', interval '-1 minute', '{}', '{}'),
			('inventory', 'inventory', 'available', interval '1 minute', '{"order_id": "`+second+`"}', '{}'),
			('gone', 'x', 'running', interval '2 minutes', '{}', '{}')
		) AS j (queue, kind, state, ago, args, metadata)`)

	since := func(ago time.Duration) time.Time { return b.now.Add(-ago) }

	b.check(t, "queue-depth", [][]any{
		{"maintenance", true, 0, 0, 0, 0, 0, 1, 0, 1, since(10 * time.Minute), nil},
		{"points", false, 260, 4, 7, 1, 3, 2, 0, 0, since(90 * time.Second), first},
		{"inventory", false, 1, 1, 0, 0, 0, 0, 0, 0, since(time.Minute), second},
		{"delivery", false, 0, 0, 0, 0, 0, 0, 0, 0, nil, nil},
		{"gone", false, 0, 0, 0, 1, 0, 0, 0, 0, nil, nil},
		{"lifecycle", false, 0, 0, 0, 0, 0, 0, 1, 1, nil, nil},
		{"newer", false, 0, 0, 0, 0, 0, 0, 0, 0, nil, nil},
		{"notification", false, 0, 0, 0, 0, 0, 0, 0, 0, nil, nil},
	})
}

// Each queue that the program declares has a row, also in a database that no worker has seen.
func TestReportQueueDepthHasEachIdleQueue(t *testing.T) {
	t.Parallel()

	queues := slices.Sorted(maps.Keys(jobs.Concurrency()))
	want := make([][]any, 0, len(queues))

	for _, queue := range queues {
		want = append(want, []any{queue, false, 0, 0, 0, 0, 0, 0, 0, 0, nil, nil})
	}

	setupReport(t).check(t, "queue-depth", want)
}

func TestReportFailures(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `
		CREATE FUNCTION pg_temp.failed(error text, ago interval) RETURNS jsonb
		LANGUAGE sql
		RETURN jsonb_build_object('at', to_char(now() - ago, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'attempt', 1, 'error', error, 'trace', '')`, `
		INSERT INTO river_job (kind, state, finalized_at, args, errors)
		VALUES
			('points', 'retryable', NULL, '{}', ARRAY[
				pg_temp.failed('yesterday', '25 hours'),
				pg_temp.failed('first', '3 minutes'),
				pg_temp.failed('second', '2 minutes')]),
			('points', 'running', NULL, '{}', ARRAY[pg_temp.failed('third', '90 seconds')]),
			('points', 'completed', now(), '{}', ARRAY[pg_temp.failed('mended', '1 hour')]),
			('points', 'discarded', now(), '{}', ARRAY[
				pg_temp.failed(repeat('é', 201), '1 minute'),
				pg_temp.failed('before', '2 hours')]),
			('points', 'discarded', now() - interval '2 days', '{}', ARRAY[pg_temp.failed('old', '2 days')]),
			('points', 'available', NULL, '{}', NULL),
			('inventory', 'cancelled', now(), '{}', ARRAY[pg_temp.failed('not-found', '1 second')]),
			('notification', 'cancelled', now(), '{}', NULL),
			('prune', 'completed', now(), '{}', NULL),
			('audit', 'cancelled', now() - interval '2 days', '{}', NULL)`,
		`UPDATE river_job SET queue = 'maintenance' WHERE kind IN ('audit', 'prune')`,
		`DELETE FROM dead_letters WHERE kind = 'audit'`,
		`UPDATE dead_letters SET dead_at = finalized_at FROM river_job WHERE id = job_id`,
		`UPDATE dead_letters SET reason = CASE kind WHEN 'points' THEN 'unknown' WHEN 'inventory' THEN 'permanent' ELSE 'cancelled' END`)

	want := func(retrying int) [][]any {
		return [][]any{
			{"inventory", 1, 0, 0, 1, "not-found", b.now.Add(-time.Second)},
			{"points", 6, retrying, 1, 0, strings.Repeat("é", 200), b.now.Add(-time.Minute)},
			{"notification", 0, 0, 0, 1, nil, nil},
		}
	}
	b.check(t, "failures", want(2))

	// What failed has failed, also when its jobs have been deleted since.
	b.seed(t, `DELETE FROM river_job`)
	b.check(t, "failures", want(0))
}

// One order whose points' job is alive, one whose is dead, and one whose steps nothing
// will do; an order of the day before yesterday is not counted.
func TestReportUndoneSteps(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `
		INSERT INTO orders (id, user_id, status, currency, total, updated_at)
		SELECT o.id::uuid, 'u', 'confirmed', 'EUR', 0, date_trunc('hour', now(), 'UTC')
		FROM (VALUES
			(left(uuid_at(now())::text, 35) || '1'),
			(left(uuid_at(now())::text, 35) || '2'),
			(left(uuid_at(now())::text, 35) || '3'),
			(left(uuid_at(now() - interval '2 days')::text, 35) || '4')) AS o (id)`, `
		INSERT INTO stock_movements (order_id, sku, kind, quantity)
		SELECT id, 'tea', 'deduct', 1 FROM orders WHERE id::text NOT LIKE '%3'`, `
		INSERT INTO notifications (order_id, template, user_id, body)
		SELECT id, 'created', 'u', '' FROM orders WHERE id::text NOT LIKE '%3'`, `
		INSERT INTO river_job (kind, queue, args, max_attempts, unique_key, unique_states)
		SELECT 'points', 'points', jsonb_build_object('order_id', id), 10, job_key('points', id), B'11110101'
		FROM orders
		WHERE id::text LIKE '%1'`, `
		INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature)
		SELECT 1, 'points', 'points', id, '{}', '[]', 'x', 10, 'unknown', 'x'
		FROM orders
		WHERE id::text LIKE '%2'`)

	hour := b.now.Truncate(time.Hour)
	b.check(t, "undone-steps", [][]any{
		{"inventory", 1, 0, 0, 1, hour},
		{"notification", 1, 0, 0, 1, hour},
		{"points", 3, 1, 1, 1, hour},
	})
}

func TestReportStockReconciliation(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `
		INSERT INTO products (sku, name, price, currency, available)
		VALUES ('bread', '', 1, 'EUR', 91), ('coffee', '', 1, 'EUR', 0), ('milk', '', 1, 'EUR', 9), ('tea', '', 1, 'EUR', 6)`, `
		INSERT INTO stock_receipts (sku, reference, quantity)
		VALUES ('bread', 'po-1', 90), ('bread', 'po-2', 10), ('tea', 'po-3', 5)`, `
		INSERT INTO stock_receipts (sku, reference, quantity, reason)
		VALUES ('bread', 'a-1', -4, 'damaged'), ('bread', 'a-2', 1, 'returned'), ('tea', 'a-3', -2, 'lost')`, `
		INSERT INTO stock_movements (order_id, sku, kind, quantity)
		VALUES
			(gen_random_uuid(), 'bread', 'deduct', 6),
			(gen_random_uuid(), 'bread', 'deduct', 3),
			(gen_random_uuid(), 'bread', 'release', 3),
			(gen_random_uuid(), 'bread', 'deduct', 0),
			(gen_random_uuid(), 'ghost', 'deduct', 2)`) // milk has stock but no receipt, ghost no product
	b.check(t, "stock-reconciliation", [][]any{
		{"ghost", 0, 0, 2, 0, -2, 0, 2},
		{"milk", 0, 0, 0, 0, 0, 9, 9},
		{"tea", 5, -2, 0, 0, 3, 6, 3},
	})
}

func TestReportPointsReconciliation(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `
		INSERT INTO points_entries (order_id, kind, user_id, points)
		VALUES
			(gen_random_uuid(), 'earn', 'anna', 10),
			(gen_random_uuid(), 'earn', 'anna', 10),
			(gen_random_uuid(), 'reverse', 'anna', -10),
			(gen_random_uuid(), 'earn', 'bob', 0),
			(gen_random_uuid(), 'earn', 'carl', 10),
			(gen_random_uuid(), 'earn', 'dora', 10)`, `
		INSERT INTO points_balances (user_id, balance)
		VALUES ('anna', 10), ('carl', 20), ('emil', -5)`) // bob's void needs no balance, dora's points do
	b.check(t, "points-reconciliation", [][]any{
		{"carl", 1, 10, 20, 10},
		{"dora", 1, 10, 0, -10},
		{"emil", 0, 0, -5, -5},
	})
}

func TestReportDeadLetters(t *testing.T) {
	t.Parallel()
	b := setupReport(t)
	b.seed(t, `
		INSERT INTO dead_letters (job_id, kind, queue, args, errors, error, attempts, reason, signature, dead_at, attention_at, resolved_at, resolution)
		VALUES
			(1, 'points', 'points', '{}', '[]', 'x 1', 10, 'unknown', 'points: x ?', now() - interval '2 hours', now(), NULL, NULL),
			(2, 'points', 'points', '{}', '[]', 'x 2', 10, 'unknown', 'points: x ?', now() - interval '1 hour', NULL, NULL, NULL),
			(3, 'points', 'points', '{}', '[]', 'x 3', 10, 'poison', 'points: x ?', now(), NULL, NULL, NULL),
			(4, 'points', 'points', '{}', '[]', 'x 4', 10, 'unknown', 'points: x ?', now(), NULL, now(), 'redriven')`)

	b.check(t, "dead-letters", [][]any{
		{"points", "unknown", "points: x ?", int64(2), int64(1), b.now.Add(-2 * time.Hour), b.now.Add(-time.Hour)},
		{"points", "poison", "points: x ?", int64(1), int64(0), b.now, b.now},
	})
}

func TestReportRefundsDue(t *testing.T) {
	t.Parallel()
	b := setupReport(t)
	b.seed(t, `
		INSERT INTO orders (id, user_id, status, currency, total)
		VALUES ('00000000-0000-7000-8000-000000000001', 'anna', 'expired', 'EUR', 1200)`, `
		INSERT INTO refunds (reference, client, order_id, at, cause, order_status, state, amount, currency)
		VALUES
			('late', 'shop', '00000000-0000-7000-8000-000000000001', now() - interval '1 hour', 'refused', 'expired', 'due', NULL, NULL),
			('late', 'mall', '00000000-0000-7000-8000-000000000001', now(), 'refused', 'expired', 'due', 7, 'USD'),
			('gone', '', '00000000-0000-7000-8000-000000000002', now() - interval '2 hours', 'ended', 'cancelled', 'due', NULL, NULL),
			('done', '', '00000000-0000-7000-8000-000000000001', now(), 'refused', 'expired', 'returned', NULL, NULL)`)
	b.check(t, "refunds-due", [][]any{
		{"gone", "", "00000000-0000-7000-8000-000000000002", nil, nil, nil, "ended", "cancelled", b.now.Add(-2 * time.Hour)},
		{"late", "shop", "00000000-0000-7000-8000-000000000001", "anna", 1200, "EUR", "refused", "expired", b.now.Add(-time.Hour)},
		{"late", "mall", "00000000-0000-7000-8000-000000000001", "anna", 7, "USD", "refused", "expired", b.now},
	})
}

// A session that holds a snapshot, one that holds a lock, and the one that waits for it.
func TestReportSessions(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	pid, _ := dbtest.OldSnapshot(t, pool, "backup")

	locker, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { locker.Rollback(context.WithoutCancel(t.Context())) })

	if _, err := locker.Exec(t.Context(), `SET LOCAL application_name = 'psql of eva'; LOCK TABLE products IN SHARE MODE`); err != nil {
		t.Fatal(err)
	}

	waits, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)

	go pool.Exec(waits, `SET lock_timeout = 0; LOCK TABLE products IN EXCLUSIVE MODE`)

	row := func(pid uint32) []any {
		t.Helper()

		table, err := report.Run(t.Context(), pool, "sessions", report.Query{})
		if err != nil {
			t.Fatal(err)
		}

		i := slices.IndexFunc(table.Rows, func(row []any) bool { return row[2] == int64(pid) })
		if i < 0 {
			t.Fatalf("process %d is not in %v", pid, table.Rows)
		}

		return table.Rows[i]
	}

	lock := row(locker.Conn().PgConn().PID())
	for lock[9] == int64(0) { // until the other session waits
		lock = row(locker.Conn().PgConn().PID())
	}

	if lock[3] != "psql of eva" || lock[5] != "idle in transaction" || lock[7] != nil || lock[8] != "products" || lock[9] != int64(1) {
		t.Errorf("the holder of the lock: %v", lock)
	}

	backup := row(pid)
	if transactions, _ := backup[7].(int64); backup[0] != "session" || backup[3] != "backup" || transactions < 1000 || backup[8] != nil || backup[9] != int64(0) {
		t.Errorf("the holder of the snapshot: %v", backup)
	}
}

func TestReportDeliveries(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `
		INSERT INTO endpoints (id, kind, url, secret, position_seq, position_n, created_by, failing_since) VALUES
			('00000000-0000-0000-0000-00000000000a', 'webhook', 'https://shop.example:8443/hook?key=secret', 'x', 0, 0, 'x', now()),
			('00000000-0000-0000-0000-00000000000b', 'mail', '', '', 0, 0, 'x', NULL)`, `
		INSERT INTO deliveries (endpoint_id, event_seq, event_id, event_type, event_at, state, attempts, next_at, status, answer, created_at, updated_at)
		SELECT ('00000000-0000-0000-0000-00000000000' || e)::uuid, 1, n::text, 'x', now(), state, attempts,
			CASE state WHEN 'waiting' THEN now() END, status, answer, now() - age, now() - age
		FROM (VALUES
			('a', 1, 'sent', 1, 204, '', interval '2 days'),
			('a', 2, 'sent', 1, 204, '', '3 hours'),
			('a', 3, 'waiting', 3, 503, 'later', '2 hours'),
			('a', 4, 'waiting', 2, 500, 'oops', '1 hour'),
			('b', 5, 'suppressed', 0, 0, 'x', '1 hour')
		) AS d (e, n, state, attempts, status, answer, age)`)

	const a = "00000000-0000-0000-0000-00000000000a"

	sent := []any{a, "shop.example:8443", "failing", "sent", 1, 1, b.now.Add(-3 * time.Hour), 204, ""}
	waiting := []any{a, "shop.example:8443", "failing", "waiting", 2, 5, b.now.Add(-time.Hour), 500, "oops"}

	b.check(t, "deliveries", [][]any{sent, waiting, {"mail", nil, "active", "suppressed", 1, 0, b.now.Add(-time.Hour), 0, "x"}})
	b.checkWith(t, "deliveries", map[string]string{"since": "now-150m", "until": b.now.Add(-90 * time.Minute).Format(time.RFC3339)}, [][]any{
		{a, "shop.example:8443", "failing", "waiting", 1, 3, b.now.Add(-2 * time.Hour), 503, "later"},
	})
}
