package workers

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/order/flow"
	"orders/order/ordertest"
)

// What a transaction of a step costs, with the completion of its jobs, depends neither on how many
// orders it is of nor on how many jobs these orders share.
func TestWorkingASliceCostsAsManyStatementsAsWorkingOneOrder(t *testing.T) {
	t.Parallel()

	// With BEGIN, COMMIT and the completion of the jobs. All of them are two round trips: one that reads, one that writes.
	want := map[string]int64{"inventory": 9, "points": 4, "notification": 4}

	for _, c := range []struct{ jobs, orders int }{{1, 1}, {20, 1}, {1, 200}, {20, 10}, {50, 1}} {
		t.Run(fmt.Sprintf("%d jobs of %d orders", c.jobs, c.orders), func(t *testing.T) {
			t.Parallel()

			b, counter := setupCounted(t)

			for _, warm := range []bool{true, false} { // the first time, statements are prepared
				for range c.jobs {
					placeTogether(b, c.orders)
				}

				for _, spec := range flow.Specs() {
					work := &stepWork{spec: spec, queue: b.Queue, pool: b.Pool}
					batch := runningJobs(b, spec)

					if len(batch) != c.jobs {
						t.Fatalf("%d %s jobs, want %d", len(batch), spec.Name, c.jobs)
					}

					counter.Reset()
					b.InTx(func(tx pgx.Tx) error { return dbtest.Err(work.batch(t.Context(), tx, batch)) })

					statements, trips := counter.Statements(), counter.RoundTrips()
					if !warm && (statements != want[string(spec.Name)] || trips != 2) {
						t.Errorf("%s: %d statements in %d round trips, want %d in 2", spec.Name, statements, trips, want[string(spec.Name)])
					}
				}
			}

			if n := b.Count(`SELECT count(*) FROM river_job WHERE state <> 'completed'`) + b.Count(`SELECT count(*) FROM undone_steps`); n != 0 {
				t.Errorf("%d jobs and steps are not done", n)
			}
		})
	}
}

func setupCounted(t *testing.T) (*ordertest.Bundle, *dbtest.Counter) {
	t.Helper()

	config, err := db.Config(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	config.MaxConns = 1 // so that all statements are prepared in it
	counter := dbtest.CountOn(config)

	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	return ordertest.On(t, pool, map[string]int64{"tea": 10_000}), counter
}

// placeTogether places n orders in one transaction.
func placeTogether(b *ordertest.Bundle, n int) {
	b.T.Helper()

	placements := make([]flow.Placement, n)
	for i := range placements {
		placements[i] = ordertest.Placement("", ordertest.Line("tea", 1))
	}

	b.InTx(func(tx pgx.Tx) error { return dbtest.Err(flow.Place(b.Queue)(b.T.Context(), tx, placements)) })
}

// runningJobs lets the step's jobs that wait run.
func runningJobs(b *ordertest.Bundle, spec flow.Spec) []stepJob {
	b.T.Helper()

	rows, err := b.Pool.Query(b.T.Context(), `
		UPDATE river_job
		SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{test}'
		WHERE queue = $1
			AND state = 'available'
		RETURNING id, attempt, kind LIKE '%batch', coalesce(args -> 'order_ids', jsonb_build_array(args -> 'order_id'))`, spec.Name)
	if err != nil {
		b.T.Fatal(err)
	}

	batch, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (j stepJob, err error) {
		return j, row.Scan(&j.JobID, &j.Number, &j.shared, &j.orders)
	})
	if err != nil {
		b.T.Fatal(err)
	}

	return batch
}
