package workers

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/groupcommit"
	"orders/db/jobqueue"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
)

// A spoiling is a step that fails for some orders, in the way under test, and else gives points.
func spoiling(b *ordertest.Bundle, spoil func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error) flow.Spec {
	step, _ := order.StepOf(order.Points)

	return flow.Spec{Step: step, Apply: func(ctx context.Context, tx pgx.Tx, _ *flow.Queue, ids []uuid.UUID) ([]groupcommit.Result[flow.None], error) {
		results, err := b.Step(order.Points)(ctx, tx, ids)
		if err == nil {
			err = spoil(ctx, tx, ids)
		}

		return results, err
	}}
}

// running places n orders together and lets their shared points job run.
func running(b *ordertest.Bundle, n int) stepJob {
	b.T.Helper()

	placements := make([]flow.Placement, n)
	j := stepJob{shared: true, isolate: true}

	for i := range placements {
		placements[i] = ordertest.Placement("", ordertest.Line("tea", 1))
		j.orders = append(j.orders, placements[i].OrderID)
	}

	b.InTx(func(tx pgx.Tx) error {
		_, err := flow.Place(b.Queue)(b.T.Context(), tx, placements)

		return err
	})

	err := b.Pool.QueryRow(b.T.Context(), `
		UPDATE river_job
		SET state = 'running', attempt = 2, attempted_at = now(), attempted_by = '{test}'
		WHERE kind = 'points_batch'
		RETURNING id, attempt`).Scan(&j.JobID, &j.Number)
	if err != nil {
		b.T.Fatal(err)
	}

	return j
}

func newTestWork(t *testing.T, pool *pgxpool.Pool, spec flow.Spec) *stepWork {
	t.Helper()

	work := newStepWork(Options{Pool: pool, Jobs: jobs.Defaults()}, spec, nil, newSampler(slog.New(slog.DiscardHandler)), func() {})
	t.Cleanup(work.group.Close)

	return work
}

// The orders at fault are found in one transaction, whatever makes the step fail. What the
// others have done stays.
func TestOrdersAtFaultAreIsolated(t *testing.T) {
	t.Parallel()

	for name, spoil := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"by a panic":        func(context.Context, pgx.Tx) error { panic("broken\x00") },
		"by an SQL error":   func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(tx.Exec(ctx, `SELECT 1/0`)) },
		"by a refused code": func(context.Context, pgx.Tx) error { return order.Errorf(order.Internal, "broken") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 100})
			j := running(b, 30)
			bad := []uuid.UUID{j.orders[3], j.orders[4], j.orders[29]}

			work := newTestWork(t, b.Pool, spoiling(b, func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
				if slices.ContainsFunc(ids, func(id uuid.UUID) bool { return slices.Contains(bad, id) }) {
					return spoil(ctx, tx)
				}

				return nil
			}))

			if err := work.do(t.Context(), j); err != nil {
				t.Fatal(err)
			}

			if n := b.Count(`SELECT count(DISTINCT xmin::text) FROM river_job WHERE queue = 'points'`); n != 1 {
				t.Errorf("%d transactions wrote the jobs", n)
			}

			for sql, want := range map[string]int{
				`SELECT count(*) FROM points_entries`: 27,
				`SELECT balance FROM points_balances`: 270,
				`SELECT count(*) FROM river_job WHERE kind = 'points_batch' AND state = 'completed' AND attempt = 2`: 1,
				`SELECT count(*) FROM river_job WHERE kind = 'points'`:                                               3,
				`SELECT sum(orders_of_job(kind, metadata, args)) FROM river_job WHERE queue = 'points'`:              33,
				`SELECT count(*) FROM river_job WHERE kind = 'points' AND metadata ? 'orders:count'`:                 0,
				`SELECT count(*) FROM river_job WHERE kind = 'points' AND attempt = 2 AND attempted_by = '{test}' AND scheduled_at > now() AND cardinality(errors) = 1
					AND errors[1] ? 'at' AND errors[1] ? 'trace' AND errors[1] @> '{"attempt": 2}' AND metadata #>> '{orders:failures,2,code}' <> ''`: 3,
			} {
				if got := b.Count(sql); got != want {
					t.Errorf("%s = %d, want %d", sql, got, want)
				}
			}

			for _, id := range bad {
				if n := b.Count(`SELECT count(*) FROM river_job WHERE unique_key = job_key('points', $1)`, id); n != 1 {
					t.Errorf("%d jobs of an order at fault", n)
				}
			}

			if n := b.Count(`SELECT count(*) FROM river_job WHERE errors[1] ->> 'trace' LIKE '%goroutine%'`); (n == 3) != (name == "by a panic") {
				t.Errorf("%d errors have a stack", n)
			}

			b.Invariants()
		})
	}
}

// A fault of the database while orders are isolated is none of theirs: nothing is kept.
func TestAFaultOfTheDatabaseIsNoOrders(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	j := running(b, 8)
	work := newTestWork(t, b.Pool, spoiling(b, func(_ context.Context, _ pgx.Tx, ids []uuid.UUID) error {
		if slices.Contains(ids, j.orders[7]) {
			return db.ErrUnavailable
		}

		return nil
	}))

	if err := work.do(t.Context(), j); !db.Unavailable(err) {
		t.Errorf("%v, want a fault of the database", err)
	}

	if n := b.Count(`SELECT (SELECT count(*) FROM points_entries) + (SELECT count(*) FROM river_job WHERE kind = 'points' OR state = 'completed')`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// A job that another worker has rescued meanwhile is that worker's: its orders' effects are
// kept, and nothing else is done for it.
func TestAJobThatWasRescuedMeanwhileIsLeftAlone(t *testing.T) {
	t.Parallel()

	for name, change := range map[string]string{
		"available again": `UPDATE river_job SET state = 'available', attempt = 1 WHERE kind = 'points_batch'`,
		"another attempt": `UPDATE river_job SET attempt = 3 WHERE kind = 'points_batch'`,
		"given up":        `UPDATE river_job SET state = 'completed', finalized_at = now() - interval '1 minute' WHERE kind = 'points_batch'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 100})
			j := running(b, 4)
			work := newTestWork(t, b.Pool, spoiling(b, func(_ context.Context, _ pgx.Tx, ids []uuid.UUID) error {
				if slices.Contains(ids, j.orders[0]) {
					return order.Errorf(order.Internal, "broken")
				}

				return nil
			}))

			b.Exec(change)

			const job = `SELECT hashtext(river_job::text) FROM river_job WHERE kind = 'points_batch'`
			before := b.Count(job)

			for _, do := range []func() error{
				func() error { return work.do(t.Context(), j) },
				func() error { return work.split(t.Context(), j) },
			} {
				if err := do(); err != nil {
					t.Error(err)
				}
			}

			if b.Count(job) != before {
				t.Error("the job was changed")
			}

			if own, earned := b.Count(`SELECT count(*) FROM river_job WHERE kind = 'points'`), b.Count(`SELECT count(*) FROM points_entries`); own != 0 || earned != 3 {
				t.Errorf("%d jobs of one order, %d effects; want 0, 3", own, earned)
			}
		})
	}
}

// A single job and a shared one of the same group commit: each has the outcome of its own orders.
func TestEachJobOfABatchHasItsOwnOutcome(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	shared := running(b, 3)
	shared.orders = append(shared.orders, uuid.Must(uuid.NewV7())) // there is no such order

	good := b.Order(ordertest.Line("tea", 1))
	missing := uuid.Must(uuid.NewV7())
	b.Enqueue("points", missing, "")

	batch := make([]stepJob, 2, 3)

	for i, id := range []uuid.UUID{good, missing} {
		j := &batch[i]
		j.orders = []uuid.UUID{id}

		err := b.Pool.QueryRow(t.Context(), `
			UPDATE river_job
			SET state = 'running', attempt = 1
			WHERE unique_key = job_key('points', $1)
			RETURNING id, attempt`, id).Scan(&j.JobID, &j.Number)
		if err != nil {
			t.Fatal(err)
		}
	}

	spec := spoiling(b, func(context.Context, pgx.Tx, []uuid.UUID) error { return nil })

	b.InTx(func(tx pgx.Tx) error {
		results, err := newTestWork(t, b.Pool, spec).batch(t.Context(), tx, append(batch, shared))
		if err == nil && (results[0].Err != nil || order.CodeOf(results[1].Err) != order.NotFound || results[2].Err != nil) {
			t.Errorf("results %+v", results)
		}

		return err
	})

	for sql, want := range map[string]int{
		`SELECT count(*) FROM points_entries`:                                                            4,
		`SELECT count(*) FROM river_job WHERE queue = 'points' AND state = 'completed'`:                  2,
		`SELECT count(*) FROM river_job WHERE queue = 'points' AND state = 'running'`:                    1, // River ends it by its error
		`SELECT count(*) FROM river_job WHERE queue = 'points' AND state = 'cancelled'`:                  1,
		`SELECT count(*) FROM dead_letters WHERE kind = 'points' AND reason = 'permanent'`:               1,
		`SELECT count(*) FROM dead_letters AS l JOIN river_job AS j ON j.id = l.job_id AND attempts = 2`: 1,
	} {
		if got := b.Count(sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}
}

// However many jobs complete at once, each is found by its id.
func TestCompletionReadsNoTable(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	ids := dbtest.Grow(t, pool, 20_000)

	rows, err := pool.Query(t.Context(), `UPDATE river_job SET state = 'running', attempt = 1 WHERE id IN (SELECT id FROM live_jobs LIMIT 500) RETURNING id`)
	if err != nil {
		t.Fatal(err)
	}

	jobIDs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}

	attempts, parts := make([]jobqueue.Attempt, len(jobIDs)), make([]jobqueue.Part, len(jobIDs))

	for n, id := range jobIDs {
		attempts[n] = jobqueue.Attempt{JobID: id, Number: 1}
		parts[n] = jobqueue.Part{Attempt: attempts[n], OrderID: ids[n%len(ids)], Failure: &jobqueue.Failure{Error: "x"}}
	}

	plans := dbtest.Explain(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		for _, n := range []int{1, 500} {
			if err := jobqueue.Complete(ctx, tx, attempts[:n]); err != nil {
				return err
			}
		}

		if err := jobqueue.Split(ctx, tx, "notification", "created", parts[:1]); err != nil {
			return err
		}

		return jobqueue.Split(ctx, tx, "notification", "created", parts)
	})

	for _, plan := range plans {
		if dbtest.ScansGrowingTable(plan) {
			t.Error(plan)
		}
	}
}
