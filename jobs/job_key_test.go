package jobs_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/jobs"
	"orders/order"
)

func count(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()

	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}

	return n
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()

	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// liveOfOrder finds an order's live jobs by their keys: $1 the order, $2 one job or 0 for all.
const liveOfOrder = `
	SELECT count(*)
	FROM order_job_kinds AS k
	JOIN live_jobs ON unique_key = job_key(k.kind, $1, k.template)
	WHERE $2::bigint IN (0, id)`

// The database makes the same unique keys as River: by them it finds the jobs of an
// order, and only while they live.
func TestLiveJobsOfAnOrderAreFoundByTheirKeys(t *testing.T) {
	t.Parallel()

	pool, queue := newQueue(t)
	id, other := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	mine := ofOrder(id)
	ids := make([]int64, 0, 2*len(mine))

	for _, args := range slices.Concat(mine, ofOrder(other)) {
		inserted, err := queue.Insert(t.Context(), args, nil)
		if err != nil || inserted.UniqueSkippedAsDuplicate {
			t.Fatalf("%s: %v", args.Kind(), err)
		}

		ids = append(ids, inserted.Job.ID)
	}

	kinds, found := count(t, pool, `SELECT count(*) FROM order_job_kinds`), count(t, pool, liveOfOrder, id, 0)
	if kinds != len(mine) || found != len(mine) {
		t.Errorf("order_job_kinds has %d kinds, by which %d jobs are found; want %d", kinds, found, len(mine))
	}

	for i, args := range mine {
		for state, want := range map[string]int{
			"available": 1, "pending": 1, "retryable": 1, "running": 1, "scheduled": 1,
			"cancelled": 0, "completed": 0, "discarded": 0,
		} {
			exec(t, pool, `UPDATE river_job SET state = $2::river_job_state, finalized_at = CASE $3::int WHEN 0 THEN now() END WHERE id = $1`, ids[i], state, want)

			if got := count(t, pool, liveOfOrder, id, ids[i]); got != want {
				t.Errorf("a %s %s job is found %d times, want %d", state, args.Kind(), got, want)
			}
		}

		exec(t, pool, `UPDATE river_job SET state = 'completed', finalized_at = now() WHERE id = $1`, ids[i])
	}

	if n := count(t, pool, liveOfOrder, id, 0); n != 0 {
		t.Errorf("%d jobs of the order live, want none", n)
	}

	if n := count(t, pool, `SELECT count(*) FROM live_jobs`); n != len(mine) {
		t.Errorf("%d jobs of the other order live, want %d", n, len(mine))
	}
}

// A job of the time before, whose key blocks it in more states than it lives in, is
// over all the same.
func TestALiveJobIsNotOver(t *testing.T) {
	t.Parallel()

	pool, queue := newQueue(t)
	id := uuid.Must(uuid.NewV7())

	for _, args := range ofOrder(id) {
		if _, err := queue.Insert(t.Context(), args, nil); err != nil {
			t.Fatal(err)
		}
	}

	exec(t, pool, `UPDATE river_job SET unique_states = B'11110101'`) // River's default: completed, too

	for state, want := range map[string]int{"running": len(ofOrder(id)), "completed": 0} {
		exec(t, pool, fmt.Sprintf(`UPDATE river_job SET state = '%s', finalized_at = CASE %d WHEN 0 THEN now() END`, state, want))

		if n := count(t, pool, liveOfOrder, id, 0); n != want {
			t.Errorf("%d %s jobs live, want %d", n, state, want)
		}
	}
}

// River makes a job's key of its args, so the args of the release before must stay as
// they are: its jobs may wait when this release starts.
func TestArgsAreThoseOfTheReleaseBefore(t *testing.T) {
	t.Parallel()

	id := uuid.MustParse("01990000-0000-7000-8000-000000000001")

	for kind, want := range map[string]string{
		"inventory":    `{"order_id":"01990000-0000-7000-8000-000000000001"}`,
		"points":       `{"order_id":"01990000-0000-7000-8000-000000000001"}`,
		"notification": `{"order_id":"01990000-0000-7000-8000-000000000001","template":"created"}`,
		"expire":       `{"order_id":"01990000-0000-7000-8000-000000000001"}`,
	} {
		for _, args := range ofOrder(id) {
			if got, err := json.Marshal(args); args.Kind() == kind && (err != nil || string(got) != want) {
				t.Errorf("%s: %s, %v; want %s", kind, got, err, want)
			}
		}
	}
}

// The keys of a job's metadata are written in Go and read in SQL.
func TestSQLReadsTheMetadata(t *testing.T) {
	t.Parallel()

	pool, queue := newQueue(t)
	failures := map[string]any{jobs.MetaFailures: map[string]any{"3": map[string]any{"code": "unavailable", "class": "transient"}}}

	if n := count(t, pool, `SELECT count(*) WHERE failure_code($1, '3') = 'unavailable' AND failure_class($1, '3') = 'transient'`, failures); n != 1 {
		t.Errorf("failure_code and failure_class do not read %s", jobs.MetaFailures)
	}

	if n := count(t, pool, `SELECT metadata_count($1, 'river:rescue_count') + metadata_count($1, 'orders:rescued')`, map[string]any{jobs.MetaRescued: 2, "river:rescue_count": 1}); n != 3 {
		t.Errorf("the deaths are %d, want 3", n)
	}

	if _, err := queue.Insert(t.Context(), jobs.Step(order.Steps()[0], uuid.New()), nil); err != nil {
		t.Fatal(err)
	}

	exec(t, pool, `UPDATE river_job SET state = 'discarded', finalized_at = now(), metadata = $1`, map[string]any{jobs.MetaRedrives: 2})

	if n := count(t, pool, `SELECT redrives FROM dead_letters`); n != 2 {
		t.Errorf("the dead letter has %d redrives, want 2", n)
	}
}
