package condition_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/condition"
	"orders/db/dbtest"
)

func read(t *testing.T, pool *pgxpool.Pool) (reading condition.Reading) {
	t.Helper()

	err := db.Snapshot(t.Context(), pool, func(tx pgx.Tx) (err error) {
		reading, err = condition.Read(t.Context(), tx)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return reading
}

func exec(t *testing.T, pool *pgxpool.Pool, statements ...string) {
	t.Helper()

	for _, sql := range statements {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// letters writes resolved dead letters, which are many, and open ones.
const letters = `
	INSERT INTO dead_letters (job_id, kind, queue, args, errors, error, attempts, reason, signature, resolved_at, resolution, attention_at)
	SELECT 10000000 + n, 'points', 'points', '{}', '[]', '', 1, 'unknown', 'points',
		CASE WHEN n > 3 THEN now() END, CASE WHEN n > 3 THEN 'dismissed' END, CASE WHEN n > 1 THEN now() - interval '1 hour' END
	FROM generate_series(1, 20000) AS n`

func TestReadSeesWhatIsWrong(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	if r := read(t, pool); r.Leader || len(r.Queues) == 0 || r.Audited != nil || r.Letters != (condition.Letters{}) || len(r.Findings) != 0 || r.At.IsZero() {
		t.Errorf("an empty database: %+v", r)
	}

	exec(t, pool,
		letters,
		`INSERT INTO river_leader (leader_id, elected_at, expires_at) VALUES ('w', now(), now() + interval '1 minute')`,
		`INSERT INTO river_queue (name, updated_at, paused_at) VALUES ('points', now(), now() - interval '1 hour')`,
		`INSERT INTO workers (id, host, pid, version, queues, sessions) VALUES ('w', 'h', 1, 'v', '{"points": 1}', '')`,
		`INSERT INTO river_job (max_attempts, args, kind, queue, state, scheduled_at) VALUES (1, '{}', 'points', 'points', 'available', now() - interval '2 hours')`,
		`INSERT INTO river_job (max_attempts, args, kind, queue, state, scheduled_at)
			SELECT 10, jsonb_build_object('order_id', n), 'notification', 'notification', 'retryable', now() + interval '1 minute' FROM generate_series(1, 12) AS n`,
		`INSERT INTO audit_findings (invariant, subject, detail) VALUES ('payments', 'x', ''), ('payments', 'y', '')`,
		`INSERT INTO audit_runs (mode, started_at, finished_at, orders, violations) VALUES ('incremental', now(), now() - interval '2 hours', 1, 0)`,
		`INSERT INTO products (sku, name, price, currency, available, low_stock, archived_at)
			VALUES ('tea', 'Tea', 1, 'EUR', 4, 5, NULL), ('old', 'Old', 1, 'EUR', 0, 5, now()), ('cup', 'Cup', 1, 'EUR', 5, 5, NULL)`,
		`INSERT INTO endpoints (kind, url, secret, position_seq, position_n, created_by, failing_since, disabled_at, disabled_reason, disabled_by) VALUES
			('webhook', 'https://shop.example/', 'x', 0, 0, 'x', now() - interval '2 hours', NULL, NULL, NULL),
			('webhook', 'https://gone.example/', 'x', 0, 0, 'x', NULL, now(), 'it answered 410 Gone', NULL),
			('webhook', 'https://late.example/', 'x', 1, 2, 'x', NULL, NULL, NULL, NULL),
			('webhook', 'https://shop.example/', 'x', 2, 2, 'x', NULL, NULL, NULL, NULL)`,
		`INSERT INTO events (at, type, order_ids) SELECT now() - n * interval '1 minute', 'order.created', ARRAY[gen_random_uuid(), gen_random_uuid()]
			FROM generate_series(9, 8, -1) AS n`,
		`INSERT INTO sweeps (name, ran_at, failed_at, failures) VALUES ('redrive', now(), now(), 20)`,
	)

	got := map[condition.Name]condition.Severity{}
	for _, c := range condition.Judge(read(t, pool), condition.DefaultLimits()) {
		got[c.Name] = c.Severity
	}

	for name, want := range map[condition.Name]condition.Severity{
		condition.NoLeader: condition.OK, condition.NoWorkers: condition.Critical, condition.QueuePaused: condition.Critical,
		condition.OldestWork: condition.Critical, condition.DeadLetters: condition.Warning, condition.AuditFindings: condition.Critical,
		condition.AuditLate: condition.Critical, condition.SweepFailing: condition.Critical, condition.OldSnapshot: condition.OK,
		condition.LowStock: condition.Warning, condition.RetryingWork: condition.Warning, condition.EndpointFailing: condition.Critical,
	} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}

	lags := make([]time.Duration, 0, 4)
	for _, e := range read(t, pool).Endpoints {
		lags = append(lags, e.Lag.Round(time.Minute))
	}

	slices.Sort(lags)

	// One has both events, and one the first. One is disabled, and has no lag.
	if want := []time.Duration{0, 0, 8 * time.Minute, 9 * time.Minute}; !slices.Equal(lags, want) {
		t.Errorf("lags %v, want %v", lags, want)
	}

	if l := read(t, pool).Letters; l.Open != 3 || l.Attention != 2 || l.Since == nil {
		t.Errorf("%+v", l)
	}
}

func TestReadScansNoTableThatGrows(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	dbtest.Grow(t, pool, 20_000)
	exec(t, pool, letters,
		`INSERT INTO audit_findings (invariant, subject, detail, resolved_at) SELECT 'payments', n, '', now() FROM generate_series(1, 20000) AS n`,
		`VACUUM ANALYZE dead_letters, audit_findings`,
	)

	for _, plan := range dbtest.Explain(t, pool, func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(condition.Read(ctx, tx)) }) {
		if dbtest.ScansGrowingTable(plan) {
			t.Error(plan)
		}
	}
}
