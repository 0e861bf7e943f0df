package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// auditStretch is what a step looks at: orders, and the ledgers' rows of a window.
type auditStretch struct {
	orders      []uuid.UUID
	after, upto pgtype.Timestamptz
	done        bool
}

// nextStretch moves the watermark on and returns what lies between.
func nextStretch(ctx context.Context, tx pgx.Tx, o AuditOptions) (auditStretch, error) {
	var (
		s    auditStretch
		last uuid.UUID
	)

	_, err := tx.Exec(ctx, `
		INSERT INTO watermarks (name, order_id, at)
		VALUES ('audit', '00000000-0000-0000-0000-000000000000', '-infinity')
		ON CONFLICT DO NOTHING`)
	if err != nil {
		return s, fmt.Errorf("begin audit: %w", err)
	}

	err = tx.QueryRow(ctx, `
		SELECT order_id, at
		FROM watermarks
		WHERE name = 'audit'
		FOR NO KEY UPDATE`).Scan(&last, &s.after)
	if err != nil {
		return s, fmt.Errorf("lock audit: %w", err)
	}

	horizon, err := auditHorizon(ctx, tx, o.Grace)
	if err != nil {
		return s, err
	}

	rows, err := tx.Query(ctx, `
		SELECT id
		FROM orders
		WHERE id > $1
			AND id < uuid_at($2)
		ORDER BY id
		LIMIT $3`, last, horizon, o.Limit)
	if err != nil {
		return s, fmt.Errorf("walk along orders: %w", err)
	}

	if s.orders, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil {
		return s, fmt.Errorf("walk along orders: %w", err)
	}

	s.done = len(s.orders) < o.Limit
	if len(s.orders) > 0 {
		last = s.orders[len(s.orders)-1]
	}

	// The window ends where the last of the orders was placed, and at the end of the orders with the horizon.
	err = tx.QueryRow(ctx, `
		UPDATE watermarks
		SET order_id = $1,
			at = greatest(at, least($2, CASE WHEN NOT $3 THEN (SELECT created_at FROM orders WHERE id = $1) END))
		WHERE name = 'audit'
		RETURNING at`, last, horizon, s.done).Scan(&s.upto)
	if err != nil {
		return s, fmt.Errorf("mark audit: %w", err)
	}

	s.orders, err = addTouched(ctx, tx, s, o)

	return s, err
}

// auditHorizon is the newest moment behind which no row will appear any more: a
// row has the moment at which its transaction began. Those of this program end
// well within the grace; one by hand, which may take longer, is seen here. One
// that has not written for a minute only reads: a dump must not hold up the audit.
func auditHorizon(ctx context.Context, tx pgx.Tx, grace time.Duration) (horizon time.Time, err error) {
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

// addTouched adds to the stretch's orders those with rows in its window, those
// whose hold ended in it and, when asked to look again, those that had not settled.
func addTouched(ctx context.Context, tx pgx.Tx, s auditStretch, o AuditOptions) ([]uuid.UUID, error) {
	again := 0
	if o.Again {
		again = o.Limit
	}

	rows, err := tx.Query(ctx, `
		SELECT unnest($1::uuid[])
		UNION
		SELECT order_id FROM stock_movements WHERE at > $2 AND at <= $3
		UNION
		SELECT order_id FROM points_entries WHERE at > $2 AND at <= $3
		UNION
		SELECT order_id FROM notifications WHERE at > $2 AND at <= $3
		UNION
		SELECT order_id FROM payments WHERE at > $2 AND at <= $3
		UNION
		SELECT id FROM orders WHERE status = 'awaiting_payment' AND hold_until > $2 AND hold_until <= $3
		UNION
		(SELECT order_id FROM audit_unsettled ORDER BY at LIMIT $4)`, s.orders, s.after, s.upto, again)
	if err != nil {
		return nil, fmt.Errorf("find what moved: %w", err)
	}

	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("find what moved: %w", err)
	}

	return ids, nil
}
