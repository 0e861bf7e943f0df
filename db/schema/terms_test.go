package schema_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/dbtest"
	"orders/db/schema"
)

// beforeSteps is the version before steps became a table and names those of the field.
const beforeSteps = 10

// beforeStepsData is what a program of that version may have left.
const beforeStepsData = `
	INSERT INTO dead_letters (job_id, kind, queue, args, errors, error, attempts, reason, signature)
	SELECT n, 'points', 'points', '{}', '[]', error, 1, 'unknown', 'x'
	FROM unnest(ARRAY['', 'unavailable: x', 'not-found: x', 'JobCancelError: not-found: x', 'x: unavailable: x']) WITH ORDINALITY AS e (error, n);

	INSERT INTO redrives (operation_id, job_id, outcome, actor)
	SELECT gen_random_uuid(), n, outcome, 'x'
	FROM unnest(ARRAY[
		'redriven', 'eligible', 'already applied', 'order is final', 'live job exists', 'already resolved', 'cannot be redriven', 'not found'
	]) WITH ORDINALITY AS r (outcome, n);

	INSERT INTO river_job (id, state, finalized_at, kind, args, max_attempts, metadata)
	VALUES
		(1, 'available', NULL, 'points', '{}', 10, '{"orders:returned": 2, "x": 1}'),
		(2, 'available', NULL, 'points', '{}', 10, '{"x": 1}'),
		(3, 'completed', now(), 'points', '{}', 10, '{"orders:returned": 1}');

	INSERT INTO workers (id, host, pid, version, queues, sessions, returned)
	VALUES ('w', '', 1, '', '{}', '', 3);

	INSERT INTO order_events (order_id, type)
	VALUES (gen_random_uuid(), 'orphan'), (gen_random_uuid(), 'cancelled');

	INSERT INTO watermarks (name, order_id, at)
	SELECT name, gen_random_uuid(), now()
	FROM unnest(ARRAY['orphans', 'orphans:pending', 'orphans:again', 'audit']) AS w (name);

	INSERT INTO audit_findings (invariant, subject, detail)
	VALUES ('no-orphans', 'x', 'x'), ('payments', 'x', 'x');

	INSERT INTO audit_runs (mode, started_at, finished_at, orders, violations)
	VALUES ('incremental', now(), now(), 0, 0), ('whole', now(), now(), 0, 0);`

// Data from before has the new names after the way up, and its old ones again after the way down.
func TestMigrationsOfNamesTakeTheDataAlong(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)
	pool := open(t, url)

	up := func() {
		t.Helper()

		if err := schema.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}

	below := func() {
		t.Helper()

		for {
			version, err := schema.VersionOf(t.Context(), pool)
			if err == nil && version.Orders > beforeSteps {
				err = down(t.Context(), url, false)
			}

			if err != nil {
				t.Fatal(err)
			}

			if version.Orders <= beforeSteps {
				return
			}
		}
	}

	up()

	above := dump(t, url)

	below()

	schemaBefore := dump(t, url)

	if _, err := pool.Exec(t.Context(), beforeStepsData, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}

	names := map[string][]string{
		`SELECT outcome FROM redrives ORDER BY id`: {
			"redriven", "eligible", "already applied", "order is final", "live job exists", "already resolved", "cannot be redriven", "not found",
		},
		`SELECT metadata::text FROM river_job ORDER BY id`:            {`{"x": 1, "orders:returned": 2}`, `{"x": 1}`, `{"orders:returned": 1}`},
		`SELECT type FROM order_events ORDER BY type = 'cancelled'`:   {"orphan", "cancelled"},
		`SELECT name FROM watermarks ORDER BY name`:                   {"audit", "orphans", "orphans:again", "orphans:pending"},
		`SELECT invariant FROM audit_findings ORDER BY invariant`:     {"no-orphans", "payments"},
		`SELECT mode FROM audit_runs ORDER BY mode DESC`:              {"whole", "incremental"},
		`SELECT (to_jsonb(workers) -> 'returned')::text FROM workers`: {"3"},
	}

	renamed := maps.Clone(names)
	renamed[`SELECT outcome FROM redrives ORDER BY id`] = []string{
		"redriven", "eligible", "already_applied", "order_is_final", "live_job_exists", "already_resolved", "not_redrivable", "not_found",
	}
	renamed[`SELECT metadata::text FROM river_job ORDER BY id`] = []string{`{"x": 1, "orders:rescued": 2}`, `{"x": 1}`, `{"orders:returned": 1}`}
	renamed[`SELECT type FROM order_events ORDER BY type = 'cancelled'`] = []string{"missing_job", "cancelled"}
	renamed[`SELECT name FROM watermarks ORDER BY name`] = []string{"audit", "missing_jobs", "missing_jobs:again", "missing_jobs:pending"}
	renamed[`SELECT invariant FROM audit_findings ORDER BY invariant`] = []string{"open-steps", "payments"}
	renamed[`SELECT mode FROM audit_runs ORDER BY mode DESC`] = []string{"incremental", "full"}
	delete(renamed, `SELECT (to_jsonb(workers) -> 'returned')::text FROM workers`)
	renamed[`SELECT (to_jsonb(workers) -> 'rescued')::text FROM workers`] = []string{"3"}
	renamed[`SELECT code FROM dead_letters ORDER BY job_id`] = []string{"", "unavailable", "not-found", "not-found", "internal"}

	for range 2 {
		compare(t, pool, names)

		if got := dump(t, url); got != schemaBefore {
			t.Errorf("below\n%s\nwant\n%s", got, schemaBefore)
		}

		up()
		compare(t, pool, renamed)

		if got := dump(t, url); got != above {
			t.Errorf("above\n%s\nwant\n%s", got, above)
		}

		below()
	}
}

// compare runs queries that each give one column of text.
func compare(t *testing.T, pool *pgxpool.Pool, want map[string][]string) {
	t.Helper()

	for sql, values := range want {
		rows, err := pool.Query(t.Context(), sql, pgx.QueryExecModeDescribeExec)
		if err != nil {
			t.Fatal(err)
		}

		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || !slices.Equal(got, values) {
			t.Errorf("%s\n got %q, %v\nwant %q", sql, got, err, values)
		}
	}
}
