package jobqueue

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orders/db"
)

// Running lists at most limit attempts that run in the worker's name, the oldest first.
func Running(ctx context.Context, q db.Querier, worker string, limit int) ([]Attempt, error) {
	rows, err := q.Query(ctx, `
		SELECT id, attempt
		FROM river_job
		WHERE state = 'running'
			AND attempted_by[array_upper(attempted_by, 1)] = $1
		ORDER BY attempted_at
		LIMIT $2`, worker, limit)
	if err != nil {
		return nil, fmt.Errorf("list running jobs: %w", err)
	}

	attempts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Attempt])
	if err != nil {
		return nil, fmt.Errorf("list running jobs: %w", err)
	}

	return attempts, nil
}

// GiveBack makes available again those of the attempts that run in the worker's name. It
// costs the jobs no attempt. A job that was to be cancelled is cancelled. GiveBack returns the
// queues of the jobs. Should an attempt run after all, its effects happen once: see
// liveness.RescueJobs.
func GiveBack(ctx context.Context, q db.Querier, worker string, attempts []Attempt) ([]string, error) {
	ids, numbers := columns(attempts)

	rows, err := q.Query(ctx, `
		WITH given AS (
			UPDATE river_job AS j
			SET state = CASE WHEN j.metadata ? 'cancel_attempted_at' THEN 'cancelled' ELSE 'available' END::river_job_state,
				finalized_at = CASE WHEN j.metadata ? 'cancel_attempted_at' THEN now() END,
				attempt = greatest(j.attempt - 1, 0)
			FROM unnest($2::bigint[], $3::int[]) AS a (id, attempt)
			WHERE j.id = a.id
				AND j.attempt = a.attempt
				AND j.state = 'running'
				AND j.attempted_by[array_upper(j.attempted_by, 1)] = $1
			RETURNING j.queue
		)
		SELECT DISTINCT queue
		FROM given`, worker, ids, numbers)
	if err != nil {
		return nil, fmt.Errorf("give jobs back: %w", err)
	}

	queues, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("give jobs back: %w", err)
	}

	return queues, nil
}
