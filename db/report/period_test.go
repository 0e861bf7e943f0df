package report_test

import (
	"testing"
	"time"

	"orders/db/report"
)

// History is what reports about a period look at: an order of before, and an outage from 14 to 20
// minutes past an hour.
func seedHistory(t *testing.T, b reportBundle) (outage time.Time, period map[string]string) {
	t.Helper()

	outage = b.now.Truncate(time.Hour).Add(-2 * time.Hour).Add(14 * time.Minute)
	b.seed(t, `SELECT set_config('test.outage', '`+outage.Format(time.RFC3339)+`', true)`, `
		CREATE FUNCTION pg_temp.at(text) RETURNS timestamptz
		LANGUAGE sql
		RETURN current_setting('test.outage')::timestamptz + $1::interval`, `
		CREATE TEMPORARY TABLE placed ON COMMIT DROP AS
		SELECT name, user_id, status, pg_temp.at(placed) AS at, pg_temp.id_at(pg_temp.at(placed)) AS id, pg_temp.at(done) AS done
		FROM (VALUES
			('fine', 'anna', 'confirmed', '-10 minutes', '-9 minutes 59 seconds'),
			('waited', 'bob', 'confirmed', '-10 seconds', '5 minutes'),
			('late', 'bob', 'confirmed', '1 minute', '20 minutes'),
			('quick', 'carl', 'confirmed', '2 minutes', '2 minutes 9 seconds'),
			('undone', 'dora', 'confirmed', '3 minutes', NULL),
			('dead', 'emil', 'confirmed', '4 minutes', '4 minutes 1 second'),
			('expired', 'fred', 'expired', '5 minutes', NULL),
			('held', 'gina', 'confirmed', '5 minutes', '5 minutes 30 seconds'),
			('after', 'anna', 'confirmed', '7 minutes', '7 minutes 30 seconds')
		) AS o (name, user_id, status, placed, done)`, `
		INSERT INTO orders (id, user_id, status, currency, total, hold_until)
		SELECT id, user_id, status, 'EUR', 100, CASE name WHEN 'held' THEN now() END FROM placed`, `
		INSERT INTO stock_movements (order_id, sku, kind, quantity, at)
		SELECT id, 'tea', 'deduct', 2, at FROM placed`, `
		INSERT INTO notifications (order_id, template, user_id, body, at)
		SELECT id, 'created', user_id, '', at FROM placed`, `
		INSERT INTO points_entries (order_id, kind, user_id, points, at)
		SELECT id, 'earn', user_id, 10, done FROM placed WHERE done IS NOT NULL
		UNION ALL
		SELECT id, 'reverse', user_id, -10, pg_temp.at('90 minutes') FROM placed WHERE name = 'quick'`, `
		INSERT INTO payments (order_id, reference, at)
		SELECT id, 'p', at FROM placed WHERE name = 'held'`, `
		INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, dead_at, resolved_at, resolution)
		SELECT 1, 'points', 'points', id, '{}'::jsonb, '[]'::jsonb, 'x', 10, 'unknown', 'points: x', at, now(), 'redriven' FROM placed WHERE name = 'dead'
		UNION ALL
		SELECT 2, 'points', 'points', NULL, '{}', '[]', 'x', 10, 'unknown', 'points: x', pg_temp.at('2 minutes'), NULL, NULL`, `
		INSERT INTO order_events (order_id, type, at)
		SELECT id, 'expired', pg_temp.at('20 minutes') FROM placed WHERE name = 'expired'`)

	return outage, map[string]string{"since": outage.Format(time.RFC3339), "until": outage.Add(6 * time.Minute).Format(time.RFC3339)}
}

func TestReportsOfAnOutage(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	outage, period := seedHistory(t, b)
	at := outage.Add

	b.checkWith(t, "customers-affected", period, [][]any{
		{"bob", 2, 2, 0, 0, 0, at(-10 * time.Second), at(time.Minute)},
		{"dora", 1, 0, 1, 0, 0, at(3 * time.Minute), at(3 * time.Minute)},
		{"emil", 1, 0, 0, 1, 0, at(4 * time.Minute), at(4 * time.Minute)},
		{"fred", 1, 0, 0, 0, 1, at(5 * time.Minute), at(5 * time.Minute)},
	})
	b.checkWith(t, "top-customers", period, [][]any{
		{"bob", "EUR", 1, 1, 100, at(time.Minute)},
		{"carl", "EUR", 1, 1, 100, at(2 * time.Minute)},
		{"dora", "EUR", 1, 1, 100, at(3 * time.Minute)},
		{"emil", "EUR", 1, 1, 100, at(4 * time.Minute)},
		{"gina", "EUR", 1, 1, 100, at(5 * time.Minute)},
		{"fred", "EUR", 1, 0, 0, at(5 * time.Minute)},
	})
	b.checkWith(t, "dead-letter-outcomes", period, [][]any{
		{"points", "unknown", "points: x", 2, 1, 1, 0, 0, 0, at(2 * time.Minute), at(4 * time.Minute)},
	})

	hour := outage.Truncate(time.Hour)
	b.checkWith(t, "points-by-hour", map[string]string{"since": hour.Format(time.RFC3339)}, [][]any{
		{hour.Add(time.Hour), 0, 10, -10, 0, 1},
		{hour, 70, 0, 70, 7, 5},
	})
}

func TestReportStockMovements(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	id := "00000000-0000-7000-8000-000000000001"
	b.seed(t, `
		INSERT INTO products (sku, name, price, currency, available) VALUES ('bread', '', 1, 'EUR', 0), ('tea', '', 1, 'EUR', 0)`, `
		INSERT INTO stock_receipts (sku, reference, quantity, reason, at)
		VALUES
			('bread', 'po-1', 90, NULL, now() - interval '2 hours'),
			('bread', 'po-2', 10, NULL, now() - interval '50 minutes'),
			('tea', 'a-1', -4, 'damaged', now() - interval '40 minutes')`, `
		INSERT INTO stock_movements (order_id, sku, kind, quantity, at)
		VALUES
			('`+id+`', 'bread', 'deduct', 6, now() - interval '30 minutes'),
			('`+id+`', 'bread', 'release', 6, now() - interval '20 minutes'),
			('`+id+`', 'tea', 'deduct', 0, now() - interval '20 minutes')`)

	ago := func(minutes int) time.Time { return b.now.Add(-time.Duration(minutes) * time.Minute) }
	b.check(t, "stock-movements", [][]any{
		{ago(20), "bread", "release", 6, nil, id, nil},
		{ago(30), "bread", "deduct", -6, nil, id, nil},
		{ago(40), "tea", "adjust", -4, "damaged", nil, "a-1"},
		{ago(50), "bread", "receive", 10, nil, nil, "po-2"},
	})
	b.checkWith(t, "stock-movements", map[string]string{"sku": "bread", "until": "now-30m", "since": "now-1d"}, [][]any{
		{ago(50), "bread", "receive", 10, nil, nil, "po-2"},
		{ago(120), "bread", "receive", 90, nil, nil, "po-1"},
	})
}

func TestReportThroughput(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `
		INSERT INTO stats_minutes (minute, placed, settled, rejected, cancelled, expired, failed)
		SELECT date_trunc('hour', now(), 'UTC') - minute * interval '1 minute', placed, settled, 1, 2, 3, 4
		FROM (VALUES (1, 100, 90), (2, 50, 55), (90, 7, 7)) AS m (minute, placed, settled)`, `
		INSERT INTO stats_refusals (minute, cause, refused)
		SELECT date_trunc('hour', now(), 'UTC') - interval '2 minutes', cause, 3 FROM (VALUES ('overloaded'), ('in-flight-limit')) AS c (cause)`)

	hour := b.now.Truncate(time.Hour)
	since := map[string]string{"since": hour.Add(-time.Hour).Format(time.RFC3339)}

	b.checkWith(t, "throughput-by-minute", since, [][]any{
		{hour.Add(-time.Minute), 100, 90, 10, 0, 1, 2, 3, 4},
		{hour.Add(-2 * time.Minute), 50, 55, -5, 6, 1, 2, 3, 4},
	})
	b.check(t, "throughput-by-hour", [][]any{
		{hour.Add(-time.Hour), 150, 145, 5, 100, 90, 6, 2, 4, 6, 8},
		{hour.Add(-2 * time.Hour), 7, 7, 0, 7, 7, 0, 1, 2, 3, 4},
	})
}

// Attempts count wherever they are kept: with the job, one by one, and by the hour.
func TestReportFailuresByHour(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `SELECT set_config('test.hour', date_trunc('hour', now() - interval '2 hours', 'UTC')::text, true)`, `
		CREATE FUNCTION pg_temp.hour() RETURNS timestamptz
		LANGUAGE sql
		RETURN current_setting('test.hour')::timestamptz`, `
		INSERT INTO river_job (kind, queue, args, max_attempts, state, errors)
		VALUES ('points', 'points', '{}', 10, 'available', ARRAY[
			jsonb_build_object('at', to_char(pg_temp.hour() + interval '9 minutes', 'YYYY-MM-DD"T"HH24:MI:SSTZH:TZM'), 'attempt', 1, 'error', 'no route to 10.0.0.9')])`, `
		INSERT INTO job_failures (kind, at, error)
		VALUES
			('points', pg_temp.hour() + interval '5 minutes', 'no route to 10.0.0.1'),
			('points', pg_temp.hour() + interval '1 minute', 'locked'),
			('points', now() - interval '3 days', 'too old')`, `
		INSERT INTO job_failures_by_hour (hour, kind, signature, attempts, newest_at, newest_error)
		VALUES
			(pg_temp.hour(), 'points', error_signature('points', 'no route to 10.0.0.1'), 40, pg_temp.hour() + interval '4 minutes', 'no route to 10.0.0.2'),
			(pg_temp.hour() - interval '3 hours', 'inventory', 'inventory: x', 2, pg_temp.hour() - interval '150 minutes', 'x')`)

	hour := b.now.Add(-2 * time.Hour).Truncate(time.Hour)
	b.check(t, "failures-by-hour", [][]any{
		{hour, "points", "points: no route to ?", 42, "no route to 10.0.0.9", hour.Add(9 * time.Minute)},
		{hour, "points", "points: locked", 1, "locked", hour.Add(time.Minute)},
		{hour.Add(-3 * time.Hour), "inventory", "inventory: x", 2, "x", hour.Add(-150 * time.Minute)},
	})
}

func TestReportActions(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `
		INSERT INTO operator_actions (at, actor, known_by, action, target_kind, target_id, detail)
		VALUES
			(now() - interval '1 hour', 'alice', 'token', 'pause_queue', 'queue', 'points', '{"queue": "points"}'),
			(now() - interval '2 hours', 'bob', 'cli', 'cancel_order', 'order', 'x', '{}'),
			(now() - interval '2 days', 'alice', 'token', 'resume_queue', 'queue', 'points', '{}')`)

	alice := []any{b.now.Add(-time.Hour), "alice", "token", "pause_queue", "queue", "points", nil, `{"queue": "points"}`}
	b.check(t, "actions", [][]any{alice, {b.now.Add(-2 * time.Hour), "bob", "cli", "cancel_order", "order", "x", nil, "{}"}})
	b.checkWith(t, "actions", map[string]string{"actor": "alice"}, [][]any{alice})
}

// A table of which most rows were deleted is bloated, and so is its index.
func TestReportsOfBloatAndVacuum(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `INSERT INTO products (sku, name, price, currency, available) SELECT 'sku-' || n, 'x', 1, 'EUR', 0 FROM generate_series(1, 20000) AS n`,
		`DELETE FROM products WHERE sku LIKE '%1%' OR sku LIKE '%2%' OR sku LIKE '%3%' OR sku LIKE '%4%'`, `ANALYZE products`)

	for name, holds := range map[string]func(row []any) bool{
		"bloat":  func(row []any) bool { return row[4].(int64) > 500_000 && row[5].(float64) > 0.5 },
		"vacuum": func(row []any) bool { return row[3].(int64) > 50 && row[6].(int64) >= 0 },
	} {
		table, err := report.Run(t.Context(), b, name, report.Query{})
		if err != nil {
			t.Fatal(err)
		}

		found := false
		for _, row := range table.Rows {
			found = found || row[0] == "products" && holds(row)
		}

		if !found {
			t.Errorf("%s: %v", name, table.Rows)
		}
	}
}
