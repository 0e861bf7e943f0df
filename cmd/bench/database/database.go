// Package database runs statements, and waits for what a query tells.
package database

import (
	"context"
	"fmt"
	"time"

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
