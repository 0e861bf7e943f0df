package idempotency

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Retention is the shortest time for which an Idempotency-Key is kept.
const Retention = 24 * time.Hour

// Prune deletes at most limit keys that are past [Retention], the oldest first, and returns
// how many it deleted. Two prunes at the same time share the work.
func Prune(ctx context.Context, tx pgx.Tx, limit int) (int64, error) {
	tag, err := tx.Exec(ctx, `
		DELETE FROM idempotency_keys
		WHERE (scope, key) IN (
			SELECT scope, key
			FROM idempotency_keys
			WHERE created_at < now() - $1::interval
			ORDER BY created_at
			LIMIT $2
			FOR UPDATE SKIP LOCKED
		)`, Retention, limit)
	if err != nil {
		return 0, fmt.Errorf("prune idempotency keys: %w", err)
	}

	return tag.RowsAffected(), nil
}
