package deadletter_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/deadletter"
	"orders/db/progress"
	"orders/order"
)

func TestDeadLettersAreListedByFilterAndPage(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	id := uuid.Must(uuid.NewV7())

	const letters = 7

	for n := range letters {
		giveUp{
			errors: []string{fmt.Sprintf("unavailable: attempt %d", n)},
			args:   `{"order_id": "` + id.String() + `"}`,
			class:  deadletter.Transient,
		}.dead(t, pool)
	}

	change(t, pool, `UPDATE dead_letters SET dead_at = now()`) // at one moment: the position needs more than the time

	change(t, pool, `UPDATE dead_letters SET dead_at = now() - interval '3 hours'
		WHERE job_id = (SELECT min(job_id) FROM dead_letters)`) // the oldest

	ago := func(d time.Duration) order.Moment { return order.Moment{Relative: true, Ago: d} }
	before := order.Moment{At: time.Now().Add(-time.Hour)}

	poison := giveUp{kind: "inventory", errors: []string{"x"}, class: deadletter.Poison}.dead(t, pool)
	closed := giveUp{kind: "inventory"}.dead(t, pool)
	resolve(t, pool, closed)

	list := func(f deadletter.Filter, state deadletter.State) (jobIDs []int64) {
		t.Helper()

		var after *deadletter.Position

		for {
			page, err := deadletter.List(t.Context(), pool, f, state, after, 3)
			if err != nil {
				t.Fatal(err)
			}

			for _, l := range page {
				jobIDs = append(jobIDs, l.JobID)
				after = &deadletter.Position{DeadAt: l.DeadAt, JobID: l.JobID}
			}

			if len(page) < 3 {
				return jobIDs
			}
		}
	}

	for name, test := range map[string]struct {
		filter deadletter.Filter
		state  deadletter.State
		want   int
		first  int64
	}{
		"open":         {deadletter.Filter{}, deadletter.Open, letters + 1, poison},
		"resolved":     {deadletter.Filter{}, deadletter.Resolved, 1, closed},
		"all":          {deadletter.Filter{}, deadletter.All, letters + 2, closed},
		"by kind":      {deadletter.Filter{Kind: "points"}, deadletter.Open, letters, poison - 1},
		"by reason":    {deadletter.Filter{Reason: deadletter.Poison}, deadletter.Open, 1, poison},
		"by signature": {deadletter.Filter{Signature: "points: unavailable: attempt ?"}, deadletter.All, letters, poison - 1},
		"since":        {deadletter.Filter{Since: ago(2 * time.Hour), Kind: "points"}, deadletter.Open, letters - 1, poison - 1},
		"until":        {deadletter.Filter{Until: before}, deadletter.All, 1, poison - letters},
		"in a period":  {deadletter.Filter{Since: ago(4 * time.Hour), Until: before}, deadletter.All, 1, poison - letters},
		"by order":     {deadletter.Filter{OrderID: id, Kind: "points", Reason: deadletter.Transient}, deadletter.All, letters, poison - 1},
	} {
		got := list(test.filter, test.state)
		if len(got) != test.want || got[0] != test.first || !slices.IsSortedFunc(got, func(a, b int64) int { return int(b - a) }) {
			t.Errorf("%s: %v", name, got)
		}
	}

	if empty := list(deadletter.Filter{Since: order.Moment{Relative: true}}, deadletter.All); len(empty) > 0 {
		t.Errorf("since now: %v", empty)
	}

	oldest, err := deadletter.Oldest(t.Context(), pool, deadletter.Filter{Kind: "points"}, 2)
	if err != nil || len(oldest) != 2 || oldest[0] != poison-letters || oldest[1] != oldest[0]+1 {
		t.Errorf("oldest %v, %v", oldest, err)
	}
}

func TestDeadLettersAreGroupedByWhatTheyDiedOf(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	const many = 8

	var last int64
	for n := range many {
		last = giveUp{errors: []string{fmt.Sprintf("no route to 10.0.0.%d", n)}}.dead(t, pool)
	}

	giveUp{kind: "inventory", errors: []string{"no route to 10.0.0.9"}}.dead(t, pool)
	resolve(t, pool, giveUp{errors: []string{"closed"}}.dead(t, pool))
	change(t, pool, `UPDATE dead_letters SET attention_at = now() WHERE job_id IN ($1, $2)`, last, last-1)

	groups, err := deadletter.Groups(t.Context(), pool, deadletter.Filter{}, 10)
	if err != nil || len(groups) != 2 {
		t.Fatalf("%+v, %v", groups, err)
	}

	g := groups[0]
	if g.Kind != "points" || g.Signature != "points: no route to ?" || g.Count != many || g.Attention != 2 || !g.FirstAt.Before(g.LastAt) {
		t.Errorf("%+v", g)
	}

	if want := []int64{last, last - 1, last - 2, last - 3, last - 4}; !slices.Equal(g.Samples, want) || g.Error != "no route to 10.0.0.7" {
		t.Errorf("samples %v, error %q", g.Samples, g.Error)
	}

	groups, err = deadletter.Groups(t.Context(), pool, deadletter.Filter{Kind: "inventory"}, 10)
	if err != nil || len(groups) != 1 || groups[0].Count != 1 {
		t.Errorf("%+v, %v", groups, err)
	}
}

// Open letters are few; closed ones, orders and jobs are as many as there have ever been.
func TestDeadLettersCostTheSameAfterYears(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	ids := dbtest.Grow(t, pool, 20_000)

	change(t, pool, `TRUNCATE dead_letters, redrives`)
	change(t, pool, `
		INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, dead_at, attention_at, resolved_at, resolution)
		SELECT n, 'points', 'points', gen_random_uuid(), '{}', '[]', 'x', 10, 'unknown', 'points: ' || n % 7, now() - n * interval '1 minute', now(),
			CASE WHEN n % 500 > 0 THEN now() END, CASE WHEN n % 500 > 0 THEN 'redriven' END
		FROM generate_series(1, 30000) AS n`)
	change(t, pool, `
		INSERT INTO redrives (operation_id, job_id, outcome, new_job_id, actor)
		SELECT gen_random_uuid(), job_id, 'redriven', job_id + 1000000, 'me' FROM dead_letters`)
	change(t, pool, `VACUUM ANALYZE dead_letters, redrives`)

	letters, err := deadletter.List(t.Context(), pool, deadletter.Filter{}, deadletter.Open, nil, 2)
	if err != nil || len(letters) != 2 {
		t.Fatal(letters, err)
	}

	after := deadletter.Position{DeadAt: letters[0].DeadAt, JobID: letters[0].JobID}

	works := make([]progress.Work, 0, 3*len(ids))
	for _, kind := range []string{"inventory", "points", "notification"} {
		for _, id := range ids {
			works = append(works, progress.Work{Kind: kind, OrderID: id})
		}
	}

	list := func(f deadletter.Filter, state deadletter.State, after *deadletter.Position) func(context.Context, pgx.Tx) error {
		return func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.List(ctx, tx, f, state, after, 50))
		}
	}

	for name, do := range map[string]func(context.Context, pgx.Tx) error{
		"list open letters":            list(deadletter.Filter{}, deadletter.Open, nil),
		"list open letters, next page": list(deadletter.Filter{}, deadletter.Open, &after),
		"list open letters of a group": list(deadletter.Filter{Kind: "points", Signature: "points: 3"}, deadletter.Open, nil),
		"list open letters by reason":  list(deadletter.Filter{Reason: deadletter.Poison}, deadletter.Open, nil),
		"list resolved letters":        list(deadletter.Filter{}, deadletter.Resolved, nil),
		"list all letters":             list(deadletter.Filter{}, deadletter.All, nil),
		"list all letters, next page":  list(deadletter.Filter{}, deadletter.All, &after),
		"list letters since":           list(deadletter.Filter{Since: order.Moment{Relative: true, Ago: time.Hour}}, deadletter.All, nil),
		"list an order's letters":      list(deadletter.Filter{OrderID: ids[0]}, deadletter.All, nil),
		"group letters": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.Groups(ctx, tx, deadletter.Filter{}, 50))
		},
		"group a kind's letters": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.Groups(ctx, tx, deadletter.Filter{Kind: "points"}, 50))
		},
		"find the oldest": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.Oldest(ctx, tx, deadletter.Filter{}, 100))
		},
		"find the oldest of a group": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.Oldest(ctx, tx, deadletter.Filter{Kind: "points", Signature: "points: 3"}, 100))
		},
		"read a letter": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.Read(ctx, tx, letters[0].JobID))
		},
		"lock letters": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.LockJobs(ctx, tx, []int64{500, 1000, 1500}))
		},
		"resolve letters": func(ctx context.Context, tx pgx.Tx) error {
			return deadletter.Resolve(ctx, tx, []deadletter.Closing{{JobID: 500, Resolution: deadletter.Dismissed}})
		},
		"reopen a letter":           func(ctx context.Context, tx pgx.Tx) error { return deadletter.Reopen(ctx, tx, []int64{500}) },
		"look up work":              func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(progress.Statuses(ctx, tx, works)) },
		"look up one piece of work": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(progress.Statuses(ctx, tx, works[:1])) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			for _, plan := range dbtest.Explain(t, pool, do) {
				if dbtest.ScansGrowingTable(plan) {
					t.Error(plan)
				}
			}
		})
	}
}

// A dead step is still dead when River has cleaned its row.
func TestAnOrdersDeadStepOutlivesItsJob(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	id := uuid.Must(uuid.NewV7())

	change(t, pool, `INSERT INTO orders (id, user_id, status, currency, total) VALUES ($1, 'u-1', 'pending', 'EUR', 1)`, id)
	giveUp{
		errors: []string{"first", "unavailable: x"},
		args:   `{"order_id": "` + id.String() + `"}`,
		code:   order.Unavailable,
		class:  deadletter.Transient,
	}.dead(t, pool)

	check := func(state order.StepState, attempts int) {
		t.Helper()

		o, err := db.Order(t.Context(), pool, id)
		if err != nil {
			t.Fatal(err)
		}

		if s := o.Steps[1]; s.State != state || *s.Attempts != attempts || (state != order.Waiting) != (s.LastError == order.PublicError(order.Unavailable)) {
			t.Errorf("%+v", s)
		}
	}

	check(order.Dead, 2)

	change(t, pool, `
		UPDATE river_job
		SET state = 'available', finalized_at = NULL, attempt = 3, unique_key = job_key('points', $1), unique_states = B'11110001'`, id) // retried in River UI
	check(order.Retrying, 3)

	change(t, pool, `DELETE FROM river_job`)
	check(order.Dead, 2)

	change(t, pool, `
		INSERT INTO river_job (kind, queue, max_attempts, args, unique_key, unique_states)
		VALUES ('points', 'points', 10, jsonb_build_object('order_id', $1::uuid), job_key('points', $1), B'11110001')`, id)
	check(order.Waiting, 0)
}
