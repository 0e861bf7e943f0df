package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// AuditOptions bound an incremental audit.
type AuditOptions struct {
	Grace time.Duration // younger data is left for the next audit; longer than any transaction of ours
	Limit int           // orders of one step; 0 for the default
	Again bool          // look again at what had not settled and at what was found
}

// AuditGrace is how long after it was written data is audited, and how long an
// order may take to settle without any sign of why.
const AuditGrace = 5 * time.Minute

// An AuditStep is what one step of an incremental audit came to.
type AuditStep struct {
	Orders     int // that were looked at
	Violations []Violation
	Done       bool // it has caught up with the present
}

// AuditNext goes one step on along the history, from watermark audit: to the next
// orders by id, which sort by time, and through what the ledgers got meanwhile.
// Each of the ledgers' rows brings its order along, so that one that was passed
// and then moved again is seen again: no move leaves the ledgers alone. What it
// costs depends on what is new and not on how much there is.
//
// What it cannot see is what was changed by hand, or lost, behind the watermark;
// that is for [Invariant.Prove]. Two audits at once wait for each other.
func AuditNext(ctx context.Context, tx pgx.Tx, o AuditOptions) (AuditStep, error) {
	if o.Limit <= 0 {
		o.Limit = auditLimit
	}

	stretch, err := nextStretch(ctx, tx, o)
	if err != nil {
		return AuditStep{}, err
	}

	if err := sumUpStock(ctx, tx, stretch.after, stretch.upto); err != nil {
		return AuditStep{}, err
	}

	step := AuditStep{Orders: len(stretch.orders), Done: stretch.done}

	for _, i := range invariants() {
		found, err := i.auditStretch(ctx, tx, o, stretch)
		if err != nil {
			return AuditStep{}, err
		}

		step.Violations = append(step.Violations, found...)
	}

	return step, keepUnsettled(ctx, tx, stretch.orders)
}

// auditStretch looks for violations in the stretch and, again, at the open
// findings, and keeps what comes of it.
func (i Invariant) auditStretch(ctx context.Context, tx pgx.Tx, o AuditOptions, s auditStretch) ([]Violation, error) {
	// It adds up what lies behind the stretch, too, which is everything while the present is far away.
	if i.Scope == ScopeSums && !s.done {
		return nil, nil
	}

	var (
		again []string
		found []Violation
		err   error
	)

	if o.Again || i.Scope == ScopeSums {
		if again, err = openSubjects(ctx, tx, i.Name, o.Limit); err != nil {
			return nil, err
		}
	}

	switch i.Scope {
	case ScopeOrders:
		orders := slices.Clip(s.orders) // the other invariants' too

		for _, subject := range again {
			if id, err := uuid.Parse(subject); err == nil {
				orders = append(orders, id)
			}
		}

		found, err = i.find(ctx, tx, orders, o.Grace)
	case ScopeWindow:
		found, err = i.find(ctx, tx, s.after, s.upto, again)
	case ScopeSums:
		found, err = i.find(ctx, tx, s.upto)
	}

	if err != nil {
		return nil, err
	}

	if err := keepFindings(ctx, tx, i.Name, found); err != nil {
		return nil, err
	}

	return found, resolveUnseen(ctx, tx, i.Name, again)
}

// keepUnsettled remembers which of the orders are still to be looked at again.
func keepUnsettled(ctx context.Context, tx pgx.Tx, orders []uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		WITH unsettled AS (
			SELECT id
			FROM orders
			WHERE id = ANY($1)
				AND (
					status = 'pending'
					OR status = 'awaiting_payment' AND hold_until <= now()
					OR status = 'confirmed'
						AND (
							NOT EXISTS (SELECT FROM points_entries WHERE order_id = orders.id AND kind = 'earn')
							OR NOT EXISTS (SELECT FROM notifications WHERE order_id = orders.id AND template = 'created')
						)
				)
		), settled AS (
			DELETE FROM audit_unsettled
			WHERE order_id = ANY($1)
				AND order_id NOT IN (SELECT id FROM unsettled)
		)
		INSERT INTO audit_unsettled (order_id)
		SELECT id
		FROM unsettled
		ON CONFLICT (order_id) DO UPDATE
		SET at = EXCLUDED.at`, orders)
	if err != nil {
		return fmt.Errorf("keep unsettled orders: %w", err)
	}

	return nil
}

// sumUpStock adds the movements of a window to the sums.
func sumUpStock(ctx context.Context, tx pgx.Tx, after, upto pgtype.Timestamptz) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO audit_stock_sums AS sums (sku, received, deducted, released)
		SELECT
			sku,
			coalesce(sum(quantity) FILTER (WHERE kind = 'receive'), 0),
			coalesce(sum(quantity) FILTER (WHERE kind = 'deduct'), 0),
			coalesce(sum(quantity) FILTER (WHERE kind = 'release'), 0)
		FROM (
			SELECT sku, 'receive' AS kind, quantity FROM stock_receipts WHERE at > $1 AND at <= $2
			UNION ALL
			SELECT sku, kind, quantity FROM stock_movements WHERE at > $1 AND at <= $2
		) AS booked
		GROUP BY sku
		ON CONFLICT (sku) DO UPDATE
		SET received = sums.received + EXCLUDED.received,
			deducted = sums.deducted + EXCLUDED.deducted,
			released = sums.released + EXCLUDED.released`, after, upto)
	if err != nil {
		return fmt.Errorf("sum up stock: %w", err)
	}

	return nil
}
