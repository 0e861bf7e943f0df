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
// first request placed.
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
		SELECT key, request_hash, order_id
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

// ClaimKeys writes the keys and returns, for each that was still free, the order
// it now belongs to. It waits for a transaction that is writing one of the keys.
func ClaimKeys(ctx context.Context, tx pgx.Tx, scope string, keys []Key) (map[string]uuid.UUID, error) {
	claimed := map[string]uuid.UUID{}
	if len(keys) == 0 {
		return claimed, nil
	}

	names := make([]string, len(keys))
	hashes := make([][]byte, len(keys))
	ids := make([]uuid.UUID, len(keys))

	for i, k := range keys {
		names[i], hashes[i], ids[i] = k.Key, k.RequestHash, k.OrderID
	}

	// In key order: two transactions that claim the same keys must not wait for each other. WITH ORDINALITY lets the first
	// of two equal keys in one batch win.
	rows, err := tx.Query(ctx, `
		INSERT INTO idempotency_keys (scope, key, request_hash, order_id)
		SELECT $1, k.key, k.request_hash, k.order_id
		FROM unnest($2::text[], $3::bytea[], $4::uuid[]) WITH ORDINALITY AS k (key, request_hash, order_id, n)
		ORDER BY k.key, k.n
		ON CONFLICT DO NOTHING
		RETURNING key, order_id`, scope, names, hashes, ids)
	if err != nil {
		return nil, fmt.Errorf("claim idempotency keys: %w", err)
	}

	var (
		key string
		id  uuid.UUID
	)

	_, err = pgx.ForEachRow(rows, []any{&key, &id}, func() error {
		claimed[key] = id

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim idempotency keys: %w", err)
	}

	return claimed, nil
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
