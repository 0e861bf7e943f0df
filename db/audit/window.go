package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"orders/db/watermark"
)

// A window is what an increment checks: orders, and the ledgers' rows of a time span.
type window struct {
	orders      []uuid.UUID
	after, upto pgtype.Timestamptz
	done        bool // it reaches the present
}

// nextWindow moves the watermark and returns what lies between its old and new place.
func nextWindow(ctx context.Context, tx pgx.Tx, o Options) (window, error) {
	mark, _, err := watermark.Lock(ctx, tx, "audit", true)
	if err != nil {
		return window{}, err
	}

	horizon, err := horizonOf(ctx, tx, o.Grace)
	if err != nil {
		return window{}, err
	}

	w := window{after: mark.At}

	if w.orders, err = mark.Orders(ctx, tx, watermark.Range{Before: horizon, Limit: o.Limit}); err != nil {
		return w, err
	}

	if n := len(w.orders); n > 0 {
		mark.OrderID = w.orders[n-1]
	}

	w.done = len(w.orders) < o.Limit

	// The window ends when the last of its orders was placed. If there are no more orders, it ends at the horizon.
	err = tx.QueryRow(ctx, `
		SELECT greatest($1::timestamptz, least($2, CASE WHEN NOT $3 THEN (SELECT created_at FROM orders WHERE id = $4) END))`,
		mark.At, horizon, w.done, mark.OrderID).Scan(&mark.At)
	if err != nil {
		return w, fmt.Errorf("end audit's window: %w", err)
	}

	w.upto = mark.At

	if err := mark.Move(ctx, tx); err != nil {
		return w, err
	}

	w.orders, err = addTouched(ctx, tx, w, o)

	return w, err
}

// horizonOf is the newest time before which no row will appear any more: a row has
// the time at which its transaction began. This program's transactions end well
// within the grace; a manual one may take longer, so the server is asked. A
// transaction that has not written for a minute only reads: a dump must not hold up
// the audit.
func horizonOf(ctx context.Context, tx pgx.Tx, grace time.Duration) (horizon time.Time, err error) {
	err = tx.QueryRow(ctx, `
		SELECT least(now() - $1::interval, min(xact_start) - interval '1 microsecond')
		FROM pg_stat_activity
		WHERE datname = current_database()
			AND backend_type = 'client backend'
			AND pid <> pg_backend_pid()
			AND (backend_xid IS NOT NULL OR xact_start > now() - interval '1 minute')`, grace).Scan(&horizon)
	if err != nil {
		return horizon, fmt.Errorf("find audit's horizon: %w", err)
	}

	return horizon, nil
}

// addTouched adds to the window's orders those with ledger rows in its time span, those
// whose hold ended in it and, with [Options.Again], those that had not settled.
func addTouched(ctx context.Context, tx pgx.Tx, w window, o Options) ([]uuid.UUID, error) {
	again := 0
	if o.Again {
		again = o.Limit
	}

	rows, err := tx.Query(ctx, `
		SELECT unnest($1::uuid[])
		UNION
		SELECT order_id FROM step_effects WHERE at > $2 AND at <= $3 AND ledger <> 'orders'
		UNION
		SELECT order_id FROM payments WHERE at > $2 AND at <= $3
		UNION
		SELECT id FROM orders WHERE status = 'awaiting_payment' AND hold_until > $2 AND hold_until <= $3
		UNION
		(SELECT order_id FROM audit_unsettled ORDER BY at LIMIT $4)`, w.orders, w.after, w.upto, again)
	if err != nil {
		return nil, fmt.Errorf("find touched orders: %w", err)
	}

	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("find touched orders: %w", err)
	}

	return ids, nil
}
