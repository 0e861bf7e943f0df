package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// PruneJobs deletes at most limit completed jobs of orders that ended longer than
// keep ago, the oldest first, and returns how many there were. River's own cleaner takes the
// lowest ids of all that are past their time, which it must find and sort for each
// batch, and pauses between two: it falls behind at some 8,000 jobs a second.
func PruneJobs(ctx context.Context, tx pgx.Tx, keep time.Duration, limit int) (int64, error) {
	tag, err := tx.Exec(ctx, `
		DELETE FROM river_job
		WHERE id IN (
			SELECT id
			FROM river_job
			WHERE state = 'completed'
				AND finalized_at < now() - $1::interval
				AND queue <> 'maintenance' -- the sweeps' own are few, and keep their period
			ORDER BY finalized_at
			LIMIT $2
			FOR UPDATE SKIP LOCKED
		)`, keep, limit)
	if err != nil {
		return 0, fmt.Errorf("prune completed jobs: %w", err)
	}

	return tag.RowsAffected(), nil
}
