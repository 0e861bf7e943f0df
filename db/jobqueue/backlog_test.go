package jobqueue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/dbtest"
	"orders/db/jobqueue"
)

// backlogs reads the backlogs of two queues.
func backlogs(t *testing.T, pool *pgxpool.Pool) (inventory, points jobqueue.Backlog) {
	t.Helper()

	list, err := jobqueue.Backlogs(t.Context(), pool, []string{"inventory", "points"})
	if err != nil || len(list) != 2 || list[0].Queue != "inventory" || list[1].Queue != "points" {
		t.Fatalf("backlogs: %+v, %v", list, err)
	}

	return list[0], list[1]
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()

	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestBacklogs(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	job := func(id int, queue, state, since string) {
		t.Helper()
		exec(t, pool, fmt.Sprintf(`
			INSERT INTO river_job (id, queue, kind, args, max_attempts, state, finalized_at, scheduled_at)
			VALUES (%d, '%s', 'x', '{}', 1, '%s', CASE WHEN '%[3]s' = 'completed' THEN now() END, now() - interval '%s')`, id, queue, state, since))
	}

	if b, _ := backlogs(t, pool); b.Waiting != 0 || b.Last != 0 || b.First != 0 || !b.Head.Equal(b.At) || !b.Oldest.Equal(b.At) || b.At.IsZero() {
		t.Errorf("nothing waits, and there is nothing: %+v", b)
	}

	job(10, "inventory", "completed", "3 hours")
	job(11, "inventory", "running", "2 hours")
	job(12, "inventory", "scheduled", "-1 hour")
	job(13, "lifecycle", "available", "1 hour")
	job(14, "inventory", "available", "-4 seconds") // a retry that is due soon

	if b, _ := backlogs(t, pool); b.Last != 14 || b.Waiting != 0 || !b.Head.Equal(b.At) {
		t.Errorf("nothing waits: %+v", b)
	}

	job(20, "inventory", "available", "1 minute")

	for id := 21; id < 60; id++ {
		job(id, "inventory", "available", "30 seconds")
	}

	job(60, "points", "available", "10 seconds")

	waits := func(b jobqueue.Backlog, oldest, head time.Duration) bool {
		return b.At.Sub(b.Oldest).Round(5*time.Second) == oldest && b.At.Sub(b.Head).Round(5*time.Second) == head
	}

	b, points := backlogs(t, pool)
	if b.Last != 60 || b.Waiting != jobqueue.HeadJobs || b.First != 20 || !waits(b, time.Minute, 30*time.Second) {
		t.Errorf("40 jobs wait, 16 of them are the head: %+v", b)
	}

	if points.Waiting != 1 || points.First != 60 || !waits(points, 10*time.Second, 10*time.Second) {
		t.Errorf("one job waits: %+v", points)
	}

	// A few jobs that are back do not stand for the queue.
	job(1, "inventory", "available", "2 minutes")

	if b, _ = backlogs(t, pool); b.First != 1 || !waits(b, 2*time.Minute, 30*time.Second) {
		t.Errorf("an old job has come back: %+v", b)
	}
}

// Only a living worker that works the queue counts.
func TestABacklogHasAnObstacle(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		sql               string
		inventory, points jobqueue.Obstacle
	}{
		"both are worked":   {`SELECT 1`, jobqueue.NoObstacle, jobqueue.NoObstacle},
		"one is paused":     {`INSERT INTO river_queue (name, paused_at, updated_at) VALUES ('inventory', NULL, now()), ('points', now(), now())`, jobqueue.NoObstacle, jobqueue.ObstaclePaused},
		"one is not worked": {`UPDATE workers SET queues = '{"inventory": 5}'`, jobqueue.NoObstacle, jobqueue.ObstacleNoWorker},
		"at no time":        {`UPDATE workers SET queues = '{"inventory": 5, "points": 0}'`, jobqueue.NoObstacle, jobqueue.ObstacleNoWorker},
		"silent":            {`UPDATE workers SET seen_at = now() - interval '11 seconds'`, jobqueue.ObstacleNoWorker, jobqueue.ObstacleNoWorker},
		"found dead":        {`UPDATE workers SET ended_at = now()`, jobqueue.ObstacleNoWorker, jobqueue.ObstacleNoWorker},
		"its lock is free":  {`UPDATE workers SET lock_key = 7`, jobqueue.ObstacleNoWorker, jobqueue.ObstacleNoWorker},
		"another one lives": {`WITH w AS (UPDATE workers SET ended_at = now()) INSERT INTO workers (id, host, pid, version, queues, sessions) VALUES ('w-2', '', 1, '', '{"points": 1}', '')`, jobqueue.ObstacleNoWorker, jobqueue.NoObstacle},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool := dbtest.Pool(t)
			exec(t, pool, `INSERT INTO workers (id, host, pid, version, queues, sessions) VALUES ('w-1', '', 1, '', '{"inventory": 5, "points": 5}', '')`)
			exec(t, pool, c.sql)

			if inventory, points := backlogs(t, pool); inventory.Obstacle() != c.inventory || points.Obstacle() != c.points {
				t.Errorf("%q and %q, want %q and %q", inventory.Obstacle(), points.Obstacle(), c.inventory, c.points)
			}
		})
	}
}

// Jobs are counted in orders: exactly if they are few, by samples if they are many.
func TestArrivalsCountOrders(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	exec(t, pool, `
		INSERT INTO river_job (id, queue, kind, args, metadata, max_attempts, created_at, scheduled_at)
		VALUES
			(1, 'points', 'points_batch', '{}', '{"orders:count": 9}', 1, now(), now()), -- before
			(2, 'points', 'points_batch', '{}', '{"orders:count": 256}', 1, now(), now()),
			(3, 'points', 'points_batch', '{"order_ids": ["x", "y"]}', '{}', 1, now(), now()), -- of a program of before
			(5, 'points', 'points', '{"order_id": "x"}', '{}', 1, now(), now()),
			(6, 'maintenance', 'prune', '{}', '{}', 1, now(), now()),
			(7, 'points', 'points', '{"order_id": "x"}', '{}', 1, now(), now() - interval '1 minute'), -- has left a shared job
			(8, 'points', 'points', '{"order_id": "x"}', '{}', 1, now(), now())`)
	exec(t, pool, `
		INSERT INTO river_job (id, queue, kind, args, metadata, max_attempts, created_at, scheduled_at)
		SELECT 100 + n, 'points', 'points_batch', '{}', CASE WHEN n <= 500 THEN '{"orders:count": 200}' ELSE '{"orders:count": 1}' END::jsonb, 1, at, at
		FROM generate_series(1, 1000) AS n, LATERAL (SELECT now() - (1001 - n) * interval '1 s') AS t (at)`)

	sum := func(after, last int64, limit int) (total float64, n int) {
		t.Helper()

		list, err := jobqueue.Arrivals(t.Context(), pool, after, last, limit)
		if err != nil || len(list) > limit {
			t.Fatalf("%d arrivals, %v", len(list), err)
		}

		for _, a := range list {
			total += a.Orders
		}

		return total, len(list)
	}

	for _, c := range []struct {
		after, last int64
		limit       int
		total       float64
		n           int
	}{
		{1, 8, 7, 260, 6},
		{8, 8, 7, 0, 0},
		{8, 1, 7, 0, 0},
		{8, 100, 7, 0, 0},
		{100, 1100, 1000, 100_500, 1000},
		{100, 1100, 50, 100_500, 50},
		{100, 1100, 64, 102_888, 63},
	} {
		if total, n := sum(c.after, c.last, c.limit); total != c.total || n != c.n {
			t.Errorf("after %d to %d, at most %d: %g orders in %d arrivals, want %g in %d", c.after, c.last, c.limit, total, n, c.total, c.n)
		}
	}
}

// Each process reads once a second: that must cost the same with a long backlog and a long history.
func TestBacklogsDoNotReadTheQueue(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	for _, sql := range []string{
		`INSERT INTO river_job (state, max_attempts, kind, args, queue, finalized_at)
			SELECT 'completed', 1, 'x', '{}', 'inventory', now() FROM generate_series(1, 30000)`,
		`ANALYZE river_job`, // before anything waited, as autovacuum may have it
		`INSERT INTO river_job (state, max_attempts, kind, args, queue) SELECT 'available', 1, 'x', '{}', 'inventory' FROM generate_series(1, 30000)`,
	} {
		exec(t, pool, sql)
	}

	for name, do := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"backlogs": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(jobqueue.Backlogs(ctx, tx, []string{"inventory", "points"}))
		},
		"arrivals": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(jobqueue.Arrivals(ctx, tx, 30_000, 60_000, 64))
		},
		"arrivals of a long time": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(jobqueue.Arrivals(ctx, tx, 0, 60_000, 1_024))
		},
	} {
		for _, plan := range dbtest.ExplainAnalyze(t, pool, do) {
			if dbtest.ReadsMany(plan) || dbtest.ScansGrowingTable(plan) {
				t.Errorf("%s: %s", name, plan)
			}
		}
	}
}
