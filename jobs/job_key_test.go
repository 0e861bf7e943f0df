package jobs_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

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

// putOrder writes an order that shares its jobs with those of the batch.
func putOrder(t *testing.T, pool *pgxpool.Pool, id uuid.UUID, batch *uuid.UUID, held bool) {
	t.Helper()

	exec(t, pool, `
		INSERT INTO orders (id, user_id, status, currency, total, batch_id, hold_until)
		VALUES ($1, 'u-1', 'pending', 'EUR', 1, $2, CASE WHEN $3 THEN now() + interval '1 hour' END)`, id, batch, held)
}

// liveOfOrder finds an order's live jobs by their keys: $1 the order, $2 one job or 0 for all.
const liveOfOrder = `
	SELECT count(*)
	FROM order_jobs AS o
	JOIN live_jobs ON unique_key = ANY(o.unique_keys)
	WHERE o.order_id = $1
		AND $2::bigint IN (0, id)`

// The database makes the same unique keys as River: by them it finds the jobs of an
// order, and only while they live.
func TestLiveJobsOfAnOrderAreFoundByTheirKeys(t *testing.T) {
	t.Parallel()

	pool, queue := newQueue(t)
	id, other := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	mine := ofOrder(id)

	putOrder(t, pool, id, nil, false)
	putOrder(t, pool, other, nil, true) // held, but its jobs are its own

	ids := make([]int64, 0, 2*len(mine))

	for _, args := range slices.Concat(mine, ofOrder(other)) {
		inserted, err := queue.Insert(t.Context(), args, nil)
		if err != nil || inserted.UniqueSkippedAsDuplicate {
			t.Fatalf("%s: %v", args.Kind(), err)
		}

		ids = append(ids, inserted.Job.ID)
	}

	kinds, found := count(t, pool, `SELECT count(*) FROM order_jobs WHERE order_id = $1`, id), count(t, pool, liveOfOrder, id, 0)
	if kinds != len(mine) || found != len(mine) {
		t.Errorf("order_jobs has %d kinds, by which %d jobs are found; want %d", kinds, found, len(mine))
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

// Each order of a batch finds the job that it shares by the key of the batch. A held order
// has no part in the job of a step that waits for its payment.
func TestASharedJobIsFoundFromEachOfItsOrders(t *testing.T) {
	t.Parallel()

	pool, queue := newQueue(t)
	first, second, held, alone := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())

	putOrder(t, pool, first, &first, false)
	putOrder(t, pool, second, &first, false)
	putOrder(t, pool, held, &first, true)
	putOrder(t, pool, alone, nil, false)

	for _, step := range order.Steps() {
		inserted, err := queue.Insert(t.Context(), jobs.Batch(step, first, []uuid.UUID{first, second}), nil)
		if err != nil || inserted.UniqueSkippedAsDuplicate {
			t.Fatalf("%s: %v", step.Name, err)
		}

		if n := count(t, pool, `SELECT count(*) FROM river_job WHERE id = $1 AND unique_key = batch_job_key($2, $3)`, inserted.Job.ID, step.Name, first); n != 1 {
			t.Errorf("batch_job_key is not River's key of the shared %s job", step.Name)
		}

		for id, want := range map[uuid.UUID]int{first: 1, second: 1, alone: 0} {
			if n := count(t, pool, liveOfOrder, id, inserted.Job.ID); n != want {
				t.Errorf("the shared %s job is found %d times, want %d", step.Name, n, want)
			}
		}

		want := 1
		if step.AfterPayment {
			want = 0
		}

		if n := count(t, pool, liveOfOrder, held, inserted.Job.ID); n != want {
			t.Errorf("from a held order, the shared %s job is found %d times, want %d", step.Name, n, want)
		}

		again, err := queue.Insert(t.Context(), jobs.Batch(step, first, []uuid.UUID{first}), nil)
		if err != nil || !again.UniqueSkippedAsDuplicate {
			t.Errorf("a second shared %s job of the batch: %v", step.Name, err)
		}
	}
}

// A job that orders share is queued, bounded and retried as one of a single order.
func TestBothShapesOfAStepHaveOnePolicy(t *testing.T) {
	t.Parallel()

	for _, step := range order.Steps() {
		single, shared := jobs.Step(step, uuid.New()), jobs.Batch(step, uuid.New(), nil)

		if single.Kind() == shared.Kind() || !jobs.Shared(shared.Kind()) || jobs.Shared(single.Kind()) {
			t.Errorf("kinds %s and %s", single.Kind(), shared.Kind())
		}

		if a, b := jobs.PolicyOf(single.Kind()), jobs.PolicyOf(shared.Kind()); a != b || a.Kind != string(step.Name) {
			t.Errorf("policies %+v and %+v", a, b)
		}

		for _, kind := range []string{single.Kind(), shared.Kind()} {
			if s, isStep := jobs.StepOf(kind); !isStep || s.Name != step.Name {
				t.Errorf("%s is the step %q", kind, s.Name)
			}
		}

		if a, b := single.InsertOpts(), shared.InsertOpts(); !reflect.DeepEqual(a, b) {
			t.Errorf("%+v and %+v", a, b)
		}
	}

	for _, kind := range []string{jobs.KindExpire, jobs.KindAudit, "", "_batch", "expire_batch"} {
		if _, isStep := jobs.StepOf(kind); isStep || jobs.Shared(kind) {
			t.Errorf("%q is a step", kind)
		}
	}
}

// A job of the time before, whose key blocks it in more states than it lives in, is
// over all the same.
func TestALiveJobIsNotOver(t *testing.T) {
	t.Parallel()

	pool, queue := newQueue(t)
	id := uuid.Must(uuid.NewV7())

	putOrder(t, pool, id, nil, false)

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

// River makes a job's key of its args, so what is unique in the args of the release before must
// stay as it is: its jobs may wait when this release starts.
func TestArgsAreThoseOfTheReleaseBefore(t *testing.T) {
	t.Parallel()

	id := uuid.MustParse("01990000-0000-7000-8000-000000000001")

	batch, err := json.Marshal(jobs.Batch(order.Steps()[2], id, []uuid.UUID{id}))
	if want := `{"orders":1,"batch_id":"` + id.String() + `","order_ids":["` + id.String() + `"],"template":"created"}`; err != nil || string(batch) != want {
		t.Errorf("%s, %v; want %s", batch, err, want)
	}

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

// The number of a shared job's orders has one reader in SQL, for jobs with the number and for those of before.
func TestSQLCountsTheOrdersOfAJob(t *testing.T) {
	t.Parallel()

	pool, queue := newQueue(t)
	step := order.Steps()[1]
	shared := jobs.Batch(step, uuid.New(), []uuid.UUID{uuid.New(), uuid.New(), uuid.New()})
	params := shared.Params()

	for name, c := range map[string]struct {
		args river.JobArgs
		opts *river.InsertOpts
		want int
	}{
		"shared":             {params.Args, params.InsertOpts, 3},
		"shared, of before":  {jobs.Batch(step, uuid.New(), []uuid.UUID{uuid.New(), uuid.New()}), nil, 2},
		"of one order":       {jobs.Step(step, uuid.New()), nil, 1},
		"deadline":           {jobs.Expire(uuid.New()), nil, 1},
		"a periodic job":     {jobs.Prune{}, nil, 0},
		"split, of before":   {jobs.Step(step, uuid.New()), params.InsertOpts, 1},
		"the number is none": {jobs.Batch(step, uuid.New(), []uuid.UUID{uuid.New()}), &river.InsertOpts{Metadata: []byte(`{"orders:count": "x"}`)}, 1},
	} {
		inserted, err := queue.Insert(t.Context(), c.args, c.opts)
		if err != nil {
			t.Fatal(err)
		}

		if n := count(t, pool, `SELECT orders_of_job(kind, metadata, args) FROM river_job WHERE id = $1`, inserted.Job.ID); n != c.want {
			t.Errorf("%s: %d orders, want %d", name, n, c.want)
		}
	}

	// River UI's list shows the beginning of the args.
	if n := count(t, pool, `SELECT count(*) FROM river_job WHERE args::text LIKE '{"orders": 3, "batch_id": %'`); n != 1 {
		t.Error("the args do not begin with the number of orders")
	}
}
