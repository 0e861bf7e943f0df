package jobqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/jobs"
)

// Complete completes those of the jobs that are running or, without keep, deletes
// them. It never deletes periodic sweeps: a completed sweep keeps the next one from
// running in the same period.
func Complete(ctx context.Context, q db.Querier, ids []int64, keep bool) error {
	if !keep {
		deleted, err := q.Exec(ctx, `
			DELETE FROM river_job
			WHERE id = ANY($1)
				AND state = 'running'
				AND queue <> $2`, ids, jobs.QueueMaintenance)
		if err != nil {
			return fmt.Errorf("delete completed jobs: %w", err)
		}

		if deleted.RowsAffected() == int64(len(ids)) {
			return nil
		}
	}

	_, err := q.Exec(ctx, `
		UPDATE river_job
		SET state = 'completed', finalized_at = now()
		WHERE id = ANY($1)
			AND state = 'running'`, ids)
	if err != nil {
		return fmt.Errorf("complete jobs: %w", err)
	}

	return nil
}

// failuresKept is how long the failed attempts of deleted jobs are kept: reports look back one
// day.
const failuresKept = 48 * time.Hour

// PruneFailures deletes at most limit failed attempts of deleted jobs that are past their
// retention, and returns how many it deleted.
func PruneFailures(ctx context.Context, tx pgx.Tx, limit int) (int64, error) {
	tag, err := tx.Exec(ctx, `
		DELETE FROM job_failures
		WHERE ctid = ANY(ARRAY(
			SELECT ctid
			FROM job_failures
			WHERE at < now() - $1::interval
			ORDER BY at
			LIMIT $2
		))`, failuresKept, limit)
	if err != nil {
		return 0, fmt.Errorf("prune failed attempts: %w", err)
	}

	return tag.RowsAffected(), nil
}

// PruneCompleted deletes at most limit jobs of orders that completed longer than keep
// ago, the oldest first, and returns how many it deleted. River's own cleaner deletes
// the lowest ids of all old jobs, which it must find and sort for each batch, and
// pauses between two batches: it falls behind at some 8,000 jobs a second.
func PruneCompleted(ctx context.Context, tx pgx.Tx, keep time.Duration, limit int) (int64, error) {
	tag, err := tx.Exec(ctx, `
		DELETE FROM river_job
		WHERE id IN (
			SELECT id
			FROM river_job
			WHERE state = 'completed'
				AND finalized_at < now() - $1::interval
				AND queue <> $3 -- sweeps are few, and a completed one keeps its period
			ORDER BY finalized_at
			LIMIT $2
			FOR UPDATE SKIP LOCKED
		)`, keep, limit, jobs.QueueMaintenance)
	if err != nil {
		return 0, fmt.Errorf("prune completed jobs: %w", err)
	}

	return tag.RowsAffected(), nil
}
