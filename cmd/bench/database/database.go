// Package database runs statements, and waits for what a query tells.
package database

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"orders/db"
)

// Exec runs statements one after the other, each in a transaction of its own.
func Exec(ctx context.Context, q db.Querier, statements ...string) error {
	for _, sql := range statements {
		if _, err := q.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}

	return nil
}

// FirstOrder is the lowest id of the orders that were placed since a moment. An id is of the
// service's clock, which differs from the database's by up to half a round trip.
func FirstOrder(ctx context.Context, q db.Querier, since time.Time) (id uuid.UUID, err error) {
	err = q.QueryRow(ctx, `
		SELECT coalesce(min(id::text)::uuid, uuid_at($1))
		FROM orders
		WHERE created_at >= $1 AND id >= uuid_at($1::timestamptz - interval '1 minute')`, since).Scan(&id)
	if err != nil {
		return id, fmt.Errorf("find the first order: %w", err)
	}

	return id, nil
}

// Await repeats a query until it returns true.
func Await(ctx context.Context, every time.Duration, q db.Querier, sql string, args ...any) error {
	for {
		var holds bool

		if err := q.QueryRow(ctx, sql, args...).Scan(&holds); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}

		if holds {
			return nil
		}

		if !Sleep(ctx, every) {
			return fmt.Errorf("%s: %w", sql, context.Cause(ctx))
		}
	}
}

// Sleep waits for d. It returns false if ctx ends first.
func Sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
