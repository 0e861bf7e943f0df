package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
)

// client is whose orders all are until clients have names.
const client = ""

// FindReferences returns the orders that have the references.
func FindReferences(ctx context.Context, q Querier, references []string) (map[string]uuid.UUID, error) {
	found := map[string]uuid.UUID{}
	if len(references) == 0 {
		return found, nil
	}

	rows, err := q.Query(ctx, `
		SELECT reference, id
		FROM orders
		WHERE client = $1
			AND reference = ANY($2)`, client, references)
	if err != nil {
		return nil, fmt.Errorf("find references: %w", err)
	}

	var (
		reference string
		id        uuid.UUID
	)

	_, err = pgx.ForEachRow(rows, []any{&reference, &id}, func() error {
		found[reference] = id

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find references: %w", err)
	}

	return found, nil
}

// FreeKeys gives up the keys that this transaction has claimed for orders which it did not
// write. Both lists are of the same length.
func FreeKeys(ctx context.Context, tx pgx.Tx, scope string, keys []string, orders []uuid.UUID) error {
	if len(keys) == 0 {
		return nil
	}

	return pipeline.Exec(ctx, tx, "free idempotency keys", `
		DELETE FROM idempotency_keys
		USING unnest($2::text[], $3::uuid[]) AS f (key, order_id)
		WHERE scope = $1
			AND idempotency_keys.key = f.key
			AND idempotency_keys.order_id = f.order_id`, scope, keys, orders)
}
