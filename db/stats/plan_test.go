package stats_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db/dbtest"
	"orders/db/report"
	"orders/db/stats"
)

// Counting a minute reads the rows of that minute, however many there are.
func TestCountingScansNoTableThatGrows(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)

	for _, sql := range []string{
		`INSERT INTO orders (id, user_id, status, currency, total)
			SELECT (left(uuid_at(now() - n * interval '1 second')::text, 15) || substr(gen_random_uuid()::text, 16))::uuid, 'u', 'confirmed', 'EUR', 1
			FROM generate_series(60000, 1, -1) AS n`,
		`INSERT INTO stock_movements (order_id, sku, kind, quantity, at) SELECT id, 'tea', 'deduct', 1, time_of_uuid(id) FROM orders ORDER BY id`,
		`INSERT INTO points_entries (order_id, kind, user_id, points, at) SELECT id, 'earn', 'u', 10, time_of_uuid(id) FROM orders ORDER BY id`,
		`INSERT INTO notifications (order_id, template, user_id, body, at) SELECT id, 'created', 'u', 'x', time_of_uuid(id) FROM orders ORDER BY id`,
		`INSERT INTO order_events (order_id, type, at) SELECT id, 'cancelled', time_of_uuid(id) FROM orders ORDER BY id`,
		`INSERT INTO payments (order_id, reference, at) SELECT id, id, time_of_uuid(id) FROM orders ORDER BY id`,
		`INSERT INTO stats_minutes SELECT now() - n * interval '1 minute', 1, 1, 0, 0, 0, 0 FROM generate_series(1, 50000) AS n`,
		`INSERT INTO stats_latencies SELECT minute, 'points', '{1,2,3}' FROM stats_minutes`,
		`INSERT INTO stats_refusals SELECT minute, 'overloaded', 1 FROM stats_minutes`,
		`INSERT INTO products (sku, name, price, currency, available) VALUES ('tea', 'x', 1, 'EUR', 1)`,
		`INSERT INTO job_failures_by_hour SELECT now() - n * interval '1 hour', 'points', 'x', 1, now(), 'x' FROM generate_series(1, 800) AS n`,
		`INSERT INTO job_failures SELECT 'points', now() - n * interval '1 minute', 'x' FROM generate_series(1, 20000) AS n`,
		`INSERT INTO operator_actions (at, actor, known_by, action, target_kind, target_id)
			SELECT now() - n * interval '1 minute', 'a', 'cli', 'x', 'order', n FROM generate_series(1, 20000) AS n`,
		`INSERT INTO stock_receipts (sku, reference, quantity, at) SELECT 'tea', n, 1, now() - n * interval '1 minute' FROM generate_series(20000, 1, -1) AS n`,
		`INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, dead_at)
			SELECT n, 'points', 'points', gen_random_uuid(), '{}', '[]', 'x', 1, 'unknown', 'x', now() - n * interval '1 minute' FROM generate_series(1, 20000) AS n`,
		`INSERT INTO river_job (state, max_attempts, args, kind, queue, finalized_at, unique_key, unique_states)
			SELECT 'completed', 10, '{}', 'points', 'points', now(), sha256(n::text::bytea), B'11110001' FROM generate_series(1, 5000) AS n`,
		`INSERT INTO endpoints (kind, url, secret, position_seq, position_n, created_by) VALUES ('webhook', 'https://shop.example', '', 0, 0, 'x')`,
		`INSERT INTO deliveries (endpoint_id, event_seq, event_id, event_type, event_at, state, attempts, created_at)
			SELECT endpoints.id, n, n, 'x', now(), 'sent', 1, now() - n * interval '1 minute' FROM endpoints, generate_series(20000, 1, -1) AS n`,
		`VACUUM ANALYZE`,
	} {
		b.exec(sql)
	}

	from, to := b.now.Add(-time.Hour), b.now

	for name, do := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"update": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(stats.Update(ctx, tx, b.now.Add(-time.Minute), time.Minute))
		},
		"minutes": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(stats.Minutes(ctx, tx, from, to, time.Minute))
		},
		"latencies": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(stats.Latencies(ctx, tx, from, to)) },
		"causes":    func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(stats.RefusedByCause(ctx, tx, from, to)) },
		"final":     func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(stats.Final(ctx, tx)) },
		"prune":     func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(stats.Prune(ctx, tx, 100)) },
	} {
		for _, plan := range dbtest.ExplainAnalyze(t, b.pool, do) {
			if dbtest.ScansGrowingTable(plan) || dbtest.ReadsMany(plan) {
				t.Errorf("%s: %s", name, plan)
			}
		}
	}

	checkReports(t, b)
}

// checkReports checks that a report about half an hour reads the rows of that half hour.
func checkReports(t *testing.T, b bundle) {
	t.Helper()

	for _, r := range report.All() {
		if len(r.Parameters) == 0 || strings.HasPrefix(r.Name, "failures") {
			continue // it shows all that there is, such as all products, or it looks for errors in the queue
		}

		for _, plan := range dbtest.ExplainAnalyze(t, b.pool, func(ctx context.Context, tx pgx.Tx) error {
			if err := tx.QueryRow(ctx, `SELECT set_config('orders.since', (now() - interval '30 minutes')::text, true)`).Scan(nil); err != nil {
				return err
			}

			rows, err := tx.Query(ctx, r.SQL)
			if err != nil {
				return err
			}

			rows.Close()

			return rows.Err()
		}) {
			if dbtest.ScansGrowingTable(plan) || dbtest.ReadsMany(plan) {
				t.Errorf("report %s: %s", r.Name, plan)
			}
		}
	}
}

// checkReport compares report latencies, which has the bounds of the buckets from the database, with the program.
func (b bundle) checkReport(want []stats.Latency) {
	b.Helper()

	var ms []float64
	if err := b.pool.QueryRow(b.Context(), `SELECT latency_bounds()`).Scan(&ms); err != nil {
		b.Fatal(err)
	}

	bounds := make([]time.Duration, len(ms))
	for i, bound := range ms {
		bounds[i] = time.Duration(bound * float64(time.Millisecond))
	}

	if !slices.Equal(bounds, stats.Bounds()) {
		b.Errorf("the database has the bounds %v, the program %v", bounds, stats.Bounds())
	}

	table, err := report.Run(b.Context(), b.pool, "latencies", report.Query{})
	if err != nil {
		b.Fatal(err)
	}

	rows := slices.DeleteFunc(table.Rows, func(row []any) bool { return row[0] != "hour" })
	if len(rows) != len(want) {
		b.Fatalf("the report has %v, the program %v", rows, want)
	}

	for i, l := range want {
		if rows[i][1] != l.Step || rows[i][2] != l.Orders {
			b.Errorf("the report has %v, the program %+v", rows[i], l)
		}

		for j, quantile := range []time.Duration{l.P50, l.P90, l.P99} {
			if off := rows[i][3+j].(int64) - quantile.Milliseconds(); off < -1 || off > 1 {
				b.Errorf("%s: the report has %v ms, the program %s", l.Step, rows[i][3+j], quantile)
			}
		}
	}
}
