package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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

	var reference string
	var id uuid.UUID

	_, err = pgx.ForEachRow(rows, []any{&reference, &id}, func() error {
		found[reference] = id

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find references: %w", err)
	}

	return found, nil
}
