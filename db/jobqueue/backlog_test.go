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

func TestBacklogs(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	job := func(id int, queue, state, since string) {
		t.Helper()

		if _, err := pool.Exec(t.Context(), fmt.Sprintf(`
			INSERT INTO river_job (id, queue, kind, args, max_attempts, state, finalized_at, scheduled_at)
			VALUES (%d, '%s', 'x', '{}', 1, '%s', CASE WHEN '%[3]s' = 'completed' THEN now() END, now() - interval '%s')`, id, queue, state, since)); err != nil {
			t.Fatal(err)
		}
	}

	if b, _ := backlogs(t, pool); b.Head != b.Last+1 || b.Waited != 0 || b.At.IsZero() {
		t.Errorf("nothing waits, and there is nothing: %+v", b)
	}

	job(10, "inventory", "completed", "3 hours")
	job(11, "inventory", "running", "2 hours")
	job(12, "inventory", "scheduled", "-1 hour")
	job(13, "lifecycle", "available", "1 hour")

	if b, _ := backlogs(t, pool); b.Last != 13 || b.Head != 14 || b.Waited != 0 {
		t.Errorf("nothing waits: %+v", b)
	}

	job(20, "inventory", "available", "1 minute")

	for id := 21; id < 60; id++ {
		job(id, "inventory", "available", "30 seconds")
	}

	job(60, "points", "available", "10 seconds")

	b, points := backlogs(t, pool)
	if b.Last != 60 || b.Head != 35 || b.Waited < time.Minute || b.Waited > 2*time.Minute {
		t.Errorf("40 jobs wait, 16 of them are the head: %+v", b)
	}

	if points.Head != 60 || points.Waited < 10*time.Second || points.Waited > time.Minute {
		t.Errorf("one job waits: %+v", points)
	}

	// A few jobs that are back do not stand for the queue.
	job(1, "inventory", "available", "2 minutes")

	if b, _ = backlogs(t, pool); b.Head != 34 || b.Waited < 2*time.Minute {
		t.Errorf("an old job has come back: %+v", b)
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
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}

	plans := dbtest.ExplainAnalyze(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		return dbtest.Err(jobqueue.Backlogs(ctx, tx, []string{"inventory", "points"}))
	})

	if len(plans) != 1 || dbtest.ReadsMany(plans[0]) {
		t.Error(plans)
	}
}
