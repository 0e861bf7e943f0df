// Package point keeps the customers' points: a ledger with an entry an order, and balances.
package point

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/event"
	"orders/db/pipeline"
)

// Earn gives each order's customer the points, once an order, and returns how
// many of the orders exist. An order whose earning was voided earns nothing.
func Earn(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, points int64) (placed int, err error) {
	err = tx.QueryRow(ctx, `
		WITH placed AS (
			SELECT id, user_id
			FROM orders
			WHERE id = ANY($1)
		), earned AS (
			INSERT INTO points_entries (order_id, kind, user_id, points)
			SELECT id, 'earn', user_id, $2
			FROM placed
			ORDER BY id
			ON CONFLICT DO NOTHING
			RETURNING order_id, user_id, points
		), told AS (
			`+event.Insert("earned", event.PointsEarned)+`
		), credited AS (
			INSERT INTO points_balances (user_id, balance)
			SELECT user_id, sum(points)::bigint
			FROM earned
			GROUP BY user_id
			ORDER BY user_id
			ON CONFLICT (user_id) DO UPDATE
			SET balance = points_balances.balance + EXCLUDED.balance
		)
		SELECT count(*)
		FROM placed`, ids, points).Scan(&placed)
	if err != nil {
		return 0, fmt.Errorf("earn points: %w", err)
	}

	return placed, nil
}

// TakeBack makes the orders' points net to zero: it reverses points that were
// earned, and voids points that were not earned, so that they never will be.
func TakeBack(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	err := pipeline.Exec(ctx, tx, "void points", `
		INSERT INTO points_entries (order_id, kind, user_id, points)
		SELECT id, 'earn', user_id, 0
		FROM orders
		WHERE id = ANY($1)
		ORDER BY id
		ON CONFLICT DO NOTHING`, ids)
	if err != nil {
		return err
	}

	// A statement of its own: the statement above waited for transactions that wrote the same keys, but could not see their rows.
	return pipeline.Exec(ctx, tx, "reverse points", `
		WITH reversed AS (
			INSERT INTO points_entries (order_id, kind, user_id, points)
			SELECT order_id, 'reverse', user_id, -points
			FROM points_entries
			WHERE order_id = ANY($1)
				AND kind = 'earn'
				AND points > 0
			ORDER BY order_id
			ON CONFLICT DO NOTHING
			RETURNING order_id, user_id, points
		), told AS (
			`+event.Insert("reversed", event.PointsReversed)+`
		)
		INSERT INTO points_balances (user_id, balance)
		SELECT user_id, sum(points)::bigint
		FROM reversed
		GROUP BY user_id
		ORDER BY user_id
		ON CONFLICT (user_id) DO UPDATE
		SET balance = points_balances.balance + EXCLUDED.balance`, ids)
}

// An Entry is a row of a customer's ledger.
type Entry struct {
	OrderID uuid.UUID
	Kind    string
	Points  int64
	At      time.Time
}

// Balance is a customer's points; 0 for a customer without entries.
func Balance(ctx context.Context, q db.Querier, userID string) (balance int64, err error) {
	err = q.QueryRow(ctx, `
		SELECT balance
		FROM points_balances
		WHERE user_id = $1`, userID).Scan(&balance)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("read balance: %w", err)
	}

	return balance, nil
}

// Entries lists a customer's ledger, newest first and without voids: at most
// limit entries that follow the position after (nil for the first page).
func Entries(ctx context.Context, q db.Querier, userID string, after *db.LedgerPosition, limit int) ([]Entry, error) {
	query := `
		SELECT order_id, kind, points, at
		FROM points_entries
		WHERE user_id = $1
			AND points <> 0`
	args := []any{userID, limit}

	if after != nil {
		query += `
			AND (at, order_id, kind) < ($3, $4, $5)`

		args = append(args, after.At, after.OrderID, after.Label)
	}

	rows, err := q.Query(ctx, query+`
		ORDER BY at DESC, order_id DESC, kind DESC
		LIMIT $2`, args...)
	if err != nil {
		return nil, fmt.Errorf("list points: %w", err)
	}

	entries, err := pgx.CollectRows(rows, pgx.RowToStructByName[Entry])
	if err != nil {
		return nil, fmt.Errorf("list points: %w", err)
	}

	return entries, nil
}
