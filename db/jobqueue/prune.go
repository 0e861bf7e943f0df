package jobqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// failuresKept is how long the failed attempts of deleted jobs are kept one by one; after that,
// job_failures_by_hour has their counts.
const failuresKept = 48 * time.Hour

// PruneFailures deletes at most limit failed attempts of deleted jobs that are past their
// retention, and returns how many it deleted. It counts them by hour and cause before.
func PruneFailures(ctx context.Context, tx pgx.Tx, limit int) (deleted int64, err error) {
	err = tx.QueryRow(ctx, `
		WITH deleted AS (
			DELETE FROM job_failures
			WHERE ctid = ANY(ARRAY(
				SELECT ctid
				FROM job_failures
				WHERE at < now() - $1::interval
				ORDER BY at
				LIMIT $2
			))
			RETURNING kind, at, error
		), counted AS (
			INSERT INTO job_failures_by_hour AS kept (hour, kind, signature, attempts, newest_at, newest_error)
			SELECT
				date_trunc('hour', at, 'UTC') AS hour,
				kind,
				error_signature(kind, error) AS signature,
				count(*),
				max(at),
				(array_agg(error ORDER BY at DESC))[1]
			FROM deleted
			GROUP BY 1, 2, 3
			ORDER BY 1, 2, 3
			ON CONFLICT (hour, kind, signature) DO UPDATE
			SET attempts = kept.attempts + EXCLUDED.attempts,
				newest_at = EXCLUDED.newest_at, -- the oldest are deleted first
				newest_error = EXCLUDED.newest_error
		)
		SELECT count(*)
		FROM deleted`, failuresKept, limit).Scan(&deleted)
	if err != nil {
		return 0, fmt.Errorf("prune failed attempts: %w", err)
	}

	return deleted, nil
}
