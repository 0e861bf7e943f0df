package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// KeyRetention is the shortest time for which an Idempotency-Key is kept.
const KeyRetention = 24 * time.Hour

// A Key is an Idempotency-Key with the hash of its request and the order that its
// first request placed; a zero id if that was a request of another operation.
type Key struct {
	Key         string
	RequestHash []byte
	OrderID     uuid.UUID
}

// FindKeys returns those of the keys that have been used in the scope.
func FindKeys(ctx context.Context, q Querier, scope string, keys []string) (map[string]Key, error) {
	found := map[string]Key{}
	if len(keys) == 0 {
		return found, nil
	}

	rows, err := q.Query(ctx, `
		SELECT key, request_hash, coalesce(order_id, '00000000-0000-0000-0000-000000000000') AS order_id
		FROM idempotency_keys
		WHERE scope = $1
			AND key = ANY($2)`, scope, keys)
	if err != nil {
		return nil, fmt.Errorf("find idempotency keys: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Key])
	if err != nil {
		return nil, fmt.Errorf("find idempotency keys: %w", err)
	}

	for _, k := range list {
		found[k.Key] = k
	}

	return found, nil
}

// PruneKeys deletes at most limit keys that are past [KeyRetention], the oldest
// first, and returns how many it deleted. Two prunes at the same time share the work.
func PruneKeys(ctx context.Context, tx pgx.Tx, limit int) (int64, error) {
	tag, err := tx.Exec(ctx, `
		DELETE FROM idempotency_keys
		WHERE (scope, key) IN (
			SELECT scope, key
			FROM idempotency_keys
			WHERE created_at < now() - $1::interval
			ORDER BY created_at
			LIMIT $2
			FOR UPDATE SKIP LOCKED
		)`, KeyRetention, limit)
	if err != nil {
		return 0, fmt.Errorf("prune idempotency keys: %w", err)
	}

	return tag.RowsAffected(), nil
}
