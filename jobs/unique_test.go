package jobs_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/jobs"
)

func TestAJobStandsInTheWayOfItsTwin(t *testing.T) {
	t.Parallel()

	pool, queue := newQueue(t)
	opts := &river.InsertOpts{ScheduledAt: time.Now()} // one period, however long the test takes

	for _, args := range all() {
		inserted, err := queue.Insert(t.Context(), args, opts)
		if err != nil || inserted.UniqueSkippedAsDuplicate {
			t.Fatalf("%s: %v", args.Kind(), err)
		}

		for state, want := range map[string]bool{
			"available": true, "pending": true, "retryable": true, "running": true, "scheduled": true,
			"completed": jobs.PolicyOf(args.Kind()).Every > 0, // else it would run again within its period
			"cancelled": false, "discarded": false,
		} {
			_, err := pool.Exec(t.Context(), `
				UPDATE river_job
				SET state = $2::river_job_state,
					finalized_at = CASE WHEN $2 IN ('cancelled', 'completed', 'discarded') THEN now() END
				WHERE id = $1`, inserted.Job.ID, state)
			if err != nil {
				t.Fatal(err)
			}

			if got := twinIsRefused(t, pool, queue, args, opts); got != want {
				t.Errorf("behind a %s %s job its twin is refused: %t, want %t", state, args.Kind(), got, want)
			}
		}
	}
}

// twinIsRefused tries, and leaves nothing behind.
func twinIsRefused(t *testing.T, pool *pgxpool.Pool, queue *river.Client[pgx.Tx], args river.JobArgs, opts *river.InsertOpts) (refused bool) {
	t.Helper()

	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		twin, err := queue.InsertTx(t.Context(), tx, args, opts)
		if err != nil {
			return err
		}

		refused = twin.UniqueSkippedAsDuplicate

		return tx.Rollback(t.Context())
	})
	if err != nil && err != pgx.ErrTxClosed { //nolint:errorlint // it comes back as it is
		t.Fatal(err)
	}

	return refused
}
