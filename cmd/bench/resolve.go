package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// resolve finds the orders of requests whose answer left that open: a customer
// would ask again under the same key. Nobody has cancelled or paid for them.
func (r *measured) resolve(ctx context.Context, pool *pgxpool.Pool) error {
	if len(r.loaded.unknown) == 0 {
		return nil
	}

	rows, err := pool.Query(ctx, `
		SELECT key, order_id
		FROM idempotency_keys
		WHERE key = ANY($1)`, slices.Collect(maps.Keys(r.loaded.unknown)))
	if err != nil {
		return fmt.Errorf("resolve unknown answers: %w", err)
	}

	var (
		key string
		id  uuid.UUID
	)

	_, err = pgx.ForEachRow(rows, []any{&key, &id}, func() error {
		became := r.loaded.unknown[key]

		switch became {
		case cancelled:
			became = confirmed
		case heldPaid:
			became = heldUnpaid
		case confirmed, heldUnpaid, scarce, fates:
		}

		r.loaded.accepted = append(r.loaded.accepted, id)
		r.loaded.fates[became]++

		return nil
	})
	if err != nil {
		return fmt.Errorf("resolve unknown answers: %w", err)
	}

	return nil
}
