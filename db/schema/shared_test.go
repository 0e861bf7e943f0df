package schema_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"orders/db/dbtest"
	"orders/db/schema"
)

// beforeSharedJobs is the version before orders shared jobs.
const beforeSharedJobs = 13

// A program of before does not know shared jobs: the way down gives each order, whose step is
// not done, a job of its own.
func TestTheWayDownSplitsSharedJobs(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)
	pool := open(t, url)

	if err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}

	first, second := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())

	for _, sql := range []string{
		`INSERT INTO orders (id, user_id, status, currency, total, batch_id)
			SELECT id, 'u-1', 'pending', 'EUR', 1, $1 FROM unnest(ARRAY[$1, $2]::uuid[]) AS id`,
		`INSERT INTO points_entries (order_id, kind, user_id, points)
			SELECT id, 'earn', 'u-1', 10 FROM unnest(ARRAY[$1, $2]::uuid[]) AS id WHERE id = $1`,
		`INSERT INTO river_job (kind, queue, args, max_attempts, attempt, unique_key, unique_states)
			SELECT name || '_batch', name, jsonb_build_object('order_ids', ARRAY[$1, $2]::uuid[]), 10, 3, batch_job_key(name, $1), B'11110001' FROM steps`,
	} {
		if _, err := pool.Exec(t.Context(), sql, first, second); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}

	for dbtest.Count(t, pool, `SELECT max(version) FROM orders_migrations`) > beforeSharedJobs {
		if err := down(context.WithoutCancel(t.Context()), url, false); err != nil {
			t.Fatal(err)
		}
	}

	for sql, want := range map[string]int{
		`SELECT count(*) FROM river_job`:                                                                                       5,
		`SELECT count(*) FROM river_job WHERE kind = queue AND attempt = 3`:                                                    5,
		`SELECT count(*) FROM river_job WHERE kind = 'points'`:                                                                 1,
		`SELECT count(*) FROM river_job WHERE args ->> 'template' = 'created'`:                                                 2,
		`SELECT count(*) FROM open_steps`:                                                                                      0,
		`SELECT count(*) FROM live_jobs AS j JOIN undone_steps AS s ON j.unique_key = job_key(s.step, s.order_id, s.template)`: 5,
	} {
		if got := dbtest.Count(t, pool, sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}
}
