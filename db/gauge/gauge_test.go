package gauge_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/dbtest"
	"orders/db/gauge"
	"orders/jobs"
)

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()

	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func read(t *testing.T, pool *pgxpool.Pool) gauge.Reading {
	t.Helper()

	r, err := gauge.Read(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}

	return r
}

func queueOf(t *testing.T, r gauge.Reading, name string) gauge.Queue {
	t.Helper()

	for _, q := range r.Queues {
		if q.Name == name {
			return q
		}
	}

	t.Fatalf("no queue %s in %+v", name, r.Queues)

	return gauge.Queue{}
}

func TestAnEmptyDatabase(t *testing.T) {
	t.Parallel()

	r := read(t, dbtest.Pool(t))

	if len(r.Queues) != len(jobs.Concurrency()) || len(r.Letters)+len(r.Findings)+len(r.Audits)+len(r.Sweeps)+len(r.Standbys) != 0 ||
		r.Workers.Alive != 0 || r.Leader != "" || time.Since(r.At).Abs() > time.Minute {
		t.Errorf("%+v", r)
	}

	for _, q := range r.Queues {
		if q.Age(r.At) != 0 || q.Paused != nil || q.Waiting.Jobs != 0 {
			t.Errorf("%+v", q)
		}
	}
}

func TestAReadingCountsJobsByQueueAndState(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	job := func(queue, state, kind, args, since string) {
		t.Helper()
		exec(t, pool, `
			INSERT INTO river_job (queue, kind, args, max_attempts, state, finalized_at, scheduled_at)
			VALUES ($1, $2, $3, 1, $4::text::river_job_state, CASE WHEN $4::text = 'completed' THEN now() END, now() - $5::interval)`, queue, kind, args, state, since)
	}

	job("points", "completed", "points", `{"order_id":"x"}`, "3 hours")
	job("points", "available", "points", `{"order_id":"x"}`, "1 minute")
	job("points", "available", "points_batch", `{"order_ids":["x","y","z"]}`, "2 minutes")
	job("points", "running", "points", `{"order_id":"x"}`, "1 hour")
	job("points", "retryable", "points", `{"order_id":"x"}`, "-1 minute")
	job("points", "scheduled", "points", `{"order_id":"x"}`, "-1 hour")
	job("inventory", "retryable", "inventory", `{"order_id":"x"}`, "5 minutes") // no leader makes it available
	exec(t, pool, `INSERT INTO river_queue (name, created_at, paused_at, updated_at) VALUES ('inventory', now(), now(), now())`)

	r := read(t, pool)
	points, inventory := queueOf(t, r, "points"), queueOf(t, r, "inventory")

	if points.Waiting != (gauge.Depth{Jobs: 2, Orders: 4}) || points.Running.Orders != 1 || points.Retrying.Jobs != 1 || points.Scheduled.Jobs != 1 {
		t.Errorf("%+v", points)
	}

	if age := points.Age(r.At).Round(time.Second); age != 2*time.Minute || points.Paused != nil {
		t.Errorf("age %s, paused %v", age, points.Paused)
	}

	if age := inventory.Age(r.At).Round(time.Second); age != 5*time.Minute || inventory.Paused == nil {
		t.Errorf("age %s, paused %v", age, inventory.Paused)
	}
}

// Above the bound, the depth is an estimate: the time of a reading does not grow with it.
func TestADeepQueueIsEstimated(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	exec(t, pool, `
		INSERT INTO river_job (queue, kind, args, max_attempts, state, finalized_at)
		SELECT CASE n % 2 WHEN 0 THEN 'points' ELSE 'notification' END, 'points_batch', '{"order_ids":["x","y"]}', 1, state::river_job_state,
			CASE state WHEN 'completed' THEN now() END
		FROM generate_series(1, 80000) AS n
		CROSS JOIN LATERAL (SELECT CASE WHEN n <= 20000 OR n % 8 < 2 THEN 'completed' ELSE 'available' END AS state) AS s`)

	q := queueOf(t, read(t, pool), "points") // 60,000 / 2 × 3/4

	const want = 22_500
	if off := math.Abs(float64(q.Waiting.Jobs)-want) / want; !q.Waiting.Estimated || off > 0.25 || q.Waiting.Orders != 2*q.Waiting.Jobs {
		t.Errorf("%+v; there are %d", q.Waiting, want)
	}
}

func TestAReadingCountsWhatNeedsAnOperator(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	letter := func(id int, kind string, attention, resolved bool) {
		t.Helper()
		exec(t, pool, `
			INSERT INTO dead_letters (job_id, kind, queue, args, errors, error, attempts, reason, signature, attention_at, resolved_at, resolution)
			VALUES ($1, $2, $2, '{}', '[]', 'x', 1, 'unknown', 'x', CASE WHEN $3 THEN now() END, CASE WHEN $4 THEN now() END,
				CASE WHEN $4 THEN 'dismissed' END)`, id, kind, attention, resolved)
	}

	letter(1, "points", false, false)
	letter(2, "points", true, false)
	letter(3, "notification", true, false)
	letter(4, "inventory", true, true)

	for _, sql := range []string{
		`INSERT INTO audit_findings (invariant, subject, detail, resolved_at)
			VALUES ('a', '1', '', NULL), ('a', '2', '', NULL), ('b', '1', '', now()), ('c', '1', '', NULL)`,
		`INSERT INTO audit_runs (mode, started_at, finished_at, orders, violations) VALUES ('full', now(), now(), 7, 3)`,
		`INSERT INTO sweeps (name, ran_at, failed_at, failures, error) VALUES ('redrive', now(), now(), 3, 'x')`,
		`INSERT INTO workers (id, host, pid, version, queues, sessions, ended_at, seen_at, rescued) VALUES
			('w1', 'h', 1, 'v', '{"points":1}', '', NULL, now(), 0),
			('w2', 'h', 2, 'v', '{"points":1}', '', NULL, now() - interval '1 minute', 0),
			('w3', 'h', 3, 'v', '{"points":1}', '', now(), now(), 5)`,
		`INSERT INTO river_leader (elected_at, expires_at, leader_id, name) VALUES (now(), now() + interval '10 s', 'w1', 'default')`,
	} {
		exec(t, pool, sql)
	}

	r := read(t, pool)

	for got, want := range map[string]string{
		fmt.Sprint(r.Letters):  "[{notification 1 1} {points 2 1}]",
		fmt.Sprint(r.Findings): "[{a 2} {c 1}]",
		fmt.Sprint(r.Workers):  "{1 2 5}",
		r.Leader:               "w1",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}

	if len(r.Audits) != 1 || r.Audits[0].Mode != "full" || len(r.Sweeps) != 1 || r.Sweeps[0].Failures != 3 || queueOf(t, r, "points").Workers != 1 {
		t.Errorf("%+v", r)
	}

	exec(t, pool, `UPDATE river_leader SET expires_at = now() - interval '1 second'`)

	if r := read(t, pool); r.Leader != "" {
		t.Errorf("the leader's lease has ended, and it is %q", r.Leader)
	}
}

// No statement of a reading scans a table that grows, and none reads more rows than its bound.
func TestAReadingScansNoTableThatGrows(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	dbtest.Grow(t, pool, 20_000)
	exec(t, pool, `UPDATE dead_letters SET resolved_at = NULL, resolution = NULL WHERE job_id % 500 = 0`)
	exec(t, pool, `
		INSERT INTO audit_findings (invariant, subject, detail, resolved_at)
		SELECT 'x', n, '', CASE WHEN n > 10 THEN now() END
		FROM generate_series(1, 20000) AS n`)
	exec(t, pool, `
		INSERT INTO river_job (queue, kind, args, max_attempts, state)
		SELECT 'points', 'points', '{"order_id":"x"}', 1, 'available'
		FROM generate_series(1, 60000)`)
	exec(t, pool, `VACUUM ANALYZE`)

	plans := dbtest.ExplainAnalyze(t, pool, func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(gauge.Read(ctx, tx)) })
	for _, plan := range plans {
		if dbtest.ScansGrowingTable(plan) {
			t.Error(plan)
		}
	}

	for _, plan := range plans {
		for line := range strings.SplitSeq(plan, "\n") {
			var rows int
			if _, after, found := strings.Cut(line, "actual rows="); found {
				fmt.Sscan(after, &rows)
			}

			if rows > gauge.Most {
				t.Errorf("%d rows: %s", rows, plan)
			}
		}
	}
}
