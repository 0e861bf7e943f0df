package deadletter_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db/dbtest"
	"orders/db/deadletter"
	"orders/jobs"
	"orders/order"
)

// shared puts three orders of one batch into the database. The first of them has its points
// already. It returns their ids and the args of their shared job of the step.
func shared(t *testing.T, pool *pgxpool.Pool, name order.StepName) (ids []uuid.UUID, args string) {
	t.Helper()

	for range 3 {
		ids = append(ids, uuid.Must(uuid.NewV7()))
	}

	change(t, pool, `
		INSERT INTO orders (id, user_id, status, currency, total, batch_id)
		SELECT id, 'u-1', 'pending', 'EUR', 1, $2
		FROM unnest($1::uuid[]) AS id`, ids, ids[0])
	change(t, pool, `INSERT INTO points_entries (order_id, kind, user_id, points) VALUES ($1, 'earn', 'u-1', 10)`, ids[0])

	step, _ := order.StepOf(name)

	data, err := json.Marshal(jobs.Batch(step, ids[0], ids))
	if err != nil {
		t.Fatal(err)
	}

	return ids, string(data)
}

// A shared job leaves a letter for each order whose step it has not done, as if each had had
// a job of its own.
func TestASharedJobLeavesADeadLetterOfEachUndoneOrder(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		giveUp

		want deadletter.Reason
	}{
		"the database was away":   {giveUp{errors: []string{"x", "unavailable: x"}, code: order.Unavailable, class: deadletter.Transient}, deadletter.Transient},
		"River's rescuer":         {giveUp{errors: []string{"Stuck job rescued by JobRescuer"}}, deadletter.Transient},
		"psql cancels":            {giveUp{state: "cancelled"}, deadletter.Cancelled},
		"an operator cancels":     {giveUp{state: "cancelled", metadata: map[string]any{"cancel_attempted_at": "2026-03-01T12:30:00Z"}}, deadletter.Cancelled},
		"a newer program's class": {giveUp{errors: []string{"x"}, class: "later"}, deadletter.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool := dbtest.Pool(t)
			ids, args := shared(t, pool, order.Points)

			g := test.giveUp
			g.kind, g.args = "points_batch", args
			g.metadata = maps.Clone(g.metadata)

			if g.metadata == nil {
				g.metadata = map[string]any{}
			}

			g.metadata[jobs.MetaOrders] = 3
			jobID := g.dead(t, pool)

			letters := openLetters(t, pool)
			if test.want == deadletter.Unknown { // the second net: what cannot be kept whole is kept in part
				if n := dbtest.Count(t, pool, `SELECT count(*) FROM dead_letters WHERE kind = 'points'`); n != 2 || len(letters) != 2 {
					t.Errorf("%+v", letters)
				}

				return
			}

			if len(letters) != 2 {
				t.Fatalf("%d letters, want those of two orders: %+v", len(letters), letters)
			}

			for _, l := range letters {
				if l.JobID == jobID || l.Kind != "points" || l.Queue != "points" || l.OrderID == nil || !slices.Contains(ids[1:], *l.OrderID) ||
					l.Reason != test.want || l.Attempts != len(g.errors) {
					t.Errorf("%+v", l)
				}

				if n := dbtest.Count(t, pool, `
					SELECT count(*)
					FROM river_job
					WHERE id = $1
						AND kind = 'points'
						AND state IN ('discarded', 'cancelled')
						AND args = jsonb_build_object('order_id', $2::uuid)
						AND unique_key = job_key('points', $2)
						AND NOT metadata ? 'orders:count'
						AND finalized_at IS NOT NULL`, l.JobID, l.OrderID); n != 1 {
					t.Error("River UI cannot show the letter's job")
				}
			}
		})
	}
}

// The job of a message keeps its template, so that a redrive finds its work.
func TestALetterOfASharedJobHasItsTemplate(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	ids, args := shared(t, pool, order.Notification)

	giveUp{kind: "notification_batch", args: args, errors: []string{"x"}}.dead(t, pool)

	if n := dbtest.Count(t, pool, `
		SELECT count(*)
		FROM dead_letters
		WHERE args = jsonb_build_object('order_id', order_id, 'template', 'created')
			AND kind = 'notification'
			AND order_id = ANY($1)`, ids); n != 3 {
		t.Errorf("%d letters, want 3", n)
	}

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM open_steps WHERE step = 'notification'`); n != 0 {
		t.Errorf("%d steps are open although there is a letter", n)
	}
}

// River UI can cancel a shared job. It leaves a dead job for each undone order, and is gone itself, so that River UI counts
// as many dead jobs as there are open letters. Retrying the job of a letter redrives the letter; if it dies again, the
// letter is open again.
func TestRiverUIsCountsAgreeWithOpenLetters(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	_, args := shared(t, pool, order.Points)

	queue, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		t.Fatal(err)
	}

	var jobID int64
	if err := pool.QueryRow(t.Context(), `
		INSERT INTO river_job (kind, queue, args, max_attempts)
		VALUES ('points_batch', 'points', $1::jsonb, 10)
		RETURNING id`, args).Scan(&jobID); err != nil {
		t.Fatal(err)
	}

	agree := func(want int) {
		t.Helper()

		dead := dbtest.Count(t, pool, `SELECT count(*) FROM river_job WHERE state IN ('discarded', 'cancelled')`)
		if open := len(openLetters(t, pool)); open != want || dead != want {
			t.Errorf("%d open letters and %d dead jobs, want %d", open, dead, want)
		}
	}

	if _, err := queue.JobCancel(t.Context(), jobID); err != nil {
		t.Fatal(err)
	}

	agree(2)

	letter := openLetters(t, pool)[0]

	for range 2 {
		if _, err := queue.JobRetry(t.Context(), letter.JobID); err != nil {
			t.Fatal(err)
		}

		agree(1)

		l, err := deadletter.Read(t.Context(), pool, letter.JobID)
		if err != nil || l.Resolution != deadletter.Redriven || l.ResolvedBy != "by hand" || l.RedriveOf != nil {
			t.Errorf("retried by hand: %+v, %v", l, err)
		}

		if _, err := queue.JobCancel(t.Context(), letter.JobID); err != nil {
			t.Fatal(err)
		}

		agree(2)
	}

	if l, err := deadletter.Read(t.Context(), pool, letter.JobID); err != nil || len(l.RedriveHistory) != 2 || *l.RedriveHistory[1].NewJobID != l.JobID {
		t.Errorf("%+v, %v", l, err)
	}

	change(t, pool, `UPDATE dead_letters SET resolved_at = now(), resolution = 'dismissed' WHERE job_id = $1`, letter.JobID) // any road
	agree(1)
}

// River must be able to give a shared job up, too, whatever is broken. What cannot be kept
// order by order is kept as one letter.
func TestAFailingTriggerNeverKeepsASharedJob(t *testing.T) {
	t.Parallel()

	const locked = `LOCK TABLE points_entries IN ACCESS EXCLUSIVE MODE`

	for name, test := range map[string]struct {
		broken string
		args   string // the shared job's by default
		want   int    // letters
		whole  int    // of these, those of the shared job itself
	}{
		"nothing is broken":          {broken: `SELECT 1`, want: 2},
		"an order is no id":          {broken: `SELECT 1`, args: `{"order_ids": ["no uuid"]}`, want: 1, whole: 1},
		"an order is a list":         {broken: `SELECT 1`, args: `{"order_ids": [[]]}`, want: 1, whole: 1},
		"the orders are no list":     {broken: `SELECT 1`, args: `{"order_ids": 7}`, want: 1, whole: 1},
		"there are no orders":        {broken: `SELECT 1`, args: `{"order_ids": []}`},
		"the view is dropped":        {broken: `DROP VIEW open_steps`, want: 1, whole: 1},
		"a ledger is locked":         {broken: locked, want: 1, whole: 1},
		"a ledger is gone":           {broken: `DROP TABLE points_entries CASCADE`, want: 1, whole: 1},
		"no job can be inserted":     {broken: `ALTER TABLE river_job ADD CHECK (kind <> 'points')`, want: 1, whole: 1},
		"no letter can be kept":      {broken: `ALTER TABLE dead_letters ADD COLUMN x int NOT NULL`},
		"the function is not there":  {broken: `DROP FUNCTION split_dead_job`, want: 1, whole: 1},
		"the signature fails, twice": {broken: `CREATE OR REPLACE FUNCTION error_signature(kind text, error text) RETURNS text LANGUAGE sql AS $$ SELECT (1 / 0)::text $$`, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool := dbtest.Pool(t)
			_, args := shared(t, pool, order.Points)

			if test.args != "" {
				args = test.args
			}

			if test.broken == locked {
				defer hold(t, pool, locked)()
			} else {
				change(t, pool, test.broken)
			}

			jobID := giveUp{kind: "points_batch", args: args, errors: []string{"unavailable: x"}}.dead(t, pool)

			if n := dbtest.Count(t, pool, `SELECT count(*) FROM river_job WHERE id = $1 AND state <> 'discarded'`, jobID); n != 0 {
				t.Error("the job is not given up")
			}

			all, whole := dbtest.Count(t, pool, `SELECT count(*) FROM dead_letters`), dbtest.Count(t, pool, `SELECT count(*) FROM dead_letters WHERE job_id = $1 AND order_id IS NULL`, jobID)
			if all != test.want || whole != test.whole {
				t.Errorf("%d letters, %d of the shared job itself; want %d, %d", all, whole, test.want, test.whole)
			}
		})
	}
}

// hold runs sql in a transaction that stays open until it is released.
func hold(t *testing.T, pool *pgxpool.Pool, sql string) (release func()) {
	t.Helper()

	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if _, err := tx.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}

	return func() { tx.Rollback(context.WithoutCancel(t.Context())) }
}
