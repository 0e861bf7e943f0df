package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
)

// A Walk goes along the orders by id, a stretch at a time, and remembers in
// watermarks how far it has got, so that its cost does not grow with history.
type Walk struct {
	Name  string
	Where string        // of the orders it looks at; empty for all
	Cycle bool          // begin anew at the end
	Most  int           // orders of one stretch
	Grace time.Duration // younger orders are left for later
}

// A Stretch is the orders behind From up to To.
type Stretch struct {
	From, To uuid.UUID
	Orders   int
	where    string
}

// Next locks the walk's watermark, moves it on by at most Most orders and returns
// the stretch that lies between. It is empty at the end, and while
// another transaction is walking.
func (w Walk) Next(ctx context.Context, tx pgx.Tx) (Stretch, error) {
	s := Stretch{where: cmp.Or(w.Where, "true")}

	_, err := tx.Exec(ctx, `
		INSERT INTO watermarks (name, order_id)
		VALUES ($1, '00000000-0000-0000-0000-000000000000')
		ON CONFLICT DO NOTHING`, w.Name)
	if err != nil {
		return s, fmt.Errorf("begin walk: %w", err)
	}

	err = tx.QueryRow(ctx, `
		SELECT order_id
		FROM watermarks
		WHERE name = $1
		FOR UPDATE SKIP LOCKED`, w.Name).Scan(&s.From)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, nil
	}

	if err != nil {
		return s, fmt.Errorf("lock walk: %w", err)
	}

	var to *uuid.UUID

	err = tx.QueryRow(ctx, `
		SELECT (array_agg(id ORDER BY id DESC))[1], count(*)
		FROM (
			SELECT id
			FROM orders
			WHERE id > $1
				AND id < uuid_at(now() - $2::interval)
				AND `+s.where+`
			ORDER BY id
			LIMIT $3
		) AS stretch`, s.From, w.Grace, w.Most).Scan(&to, &s.Orders)
	if err != nil {
		return s, fmt.Errorf("walk: %w", err)
	}

	switch {
	case to != nil:
		s.To = *to
	case w.Cycle:
		s.To = uuid.Nil
	default:
		s.To = s.From
	}

	_, err = tx.Exec(ctx, `
		UPDATE watermarks
		SET order_id = $2,
			at = now()
		WHERE name = $1`, w.Name, s.To)
	if err != nil {
		return s, fmt.Errorf("mark walk: %w", err)
	}

	return s, nil
}

// An Orphan is an order's step that nothing will do any more.
type Orphan struct {
	OrderID uuid.UUID
	Step    order.StepName
}

// Orphans finds, among the orders of a stretch, those with a step that is missing
// from its ledger and has neither a live job nor a dead letter that is open or
// was dismissed. OFFSET 0 holds the planner to one look a step: before the queue's
// statistics have caught up, it might hash all jobs that live.
func Orphans(ctx context.Context, tx pgx.Tx, s Stretch) ([]Orphan, error) {
	rows, err := tx.Query(ctx, `
		WITH walked AS MATERIALIZED (
			SELECT id, status, hold_until
			FROM orders
			WHERE id > $1
				AND id <= $2
				AND status IN ('pending', 'awaiting_payment', 'confirmed')
				AND `+s.where+`
		), missing (order_id, step, template) AS (
			SELECT id, 'inventory', ''
			FROM walked
			WHERE status = 'pending'
			UNION ALL
			SELECT id, 'points', ''
			FROM walked
			WHERE (status = 'confirmed' OR status = 'pending' AND hold_until IS NULL) -- held orders earn when they are paid
				AND NOT EXISTS (SELECT FROM points_entries WHERE order_id = walked.id AND kind = 'earn')
			UNION ALL
			SELECT id, 'notification', 'created'
			FROM walked
			WHERE NOT EXISTS (SELECT FROM notifications WHERE order_id = walked.id AND template = 'created')
		)
		SELECT order_id, step
		FROM missing
		WHERE NOT EXISTS (
				SELECT
				FROM live_jobs
				WHERE unique_key = job_key(missing.step, missing.order_id, missing.template)
				OFFSET 0
			)
			AND NOT EXISTS (
				SELECT
				FROM dead_letters
				WHERE order_id = missing.order_id
					AND kind = missing.step
					AND (resolved_at IS NULL OR resolution = 'dismissed') -- somebody's word that nothing is to be done
			)
		ORDER BY order_id, step`, s.From, s.To)
	if err != nil {
		return nil, fmt.Errorf("find orphans: %w", err)
	}

	orphans, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Orphan])
	if err != nil {
		return nil, fmt.Errorf("find orphans: %w", err)
	}

	return orphans, nil
}
