package jobqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

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
