package audit

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"orders/db/pipeline"
)

// Options bound an incremental audit.
type Options struct {
	Grace time.Duration // younger data is left for the next audit; longer than any transaction of this program
	Limit int           // orders of one increment; 0 for the default
	Again bool          // check again what had not settled, and open findings
}

// Grace is how old data must be to be audited, and how long an order may take to
// settle.
const Grace = 5 * time.Minute

// An Increment is the result of one step of an incremental audit.
type Increment struct {
	Orders     int // that were checked
	Violations []Violation
	Done       bool // it has caught up with the present
}

// Next checks what lies behind watermark audit, and moves it: the next orders by id,
// which sort by time, and the orders of all rows that the ledgers got meanwhile. So
// an order that was checked and then changed is checked again: each change of status
// writes a ledger. The cost depends on what is new, not on how much there is.
//
// Next cannot see what was changed manually, or lost, before the watermark; a full
// [Invariant.Check] does. Two audits at the same time wait for each other.
func Next(ctx context.Context, tx pgx.Tx, o Options) (Increment, error) {
	if o.Limit <= 0 {
		o.Limit = defaultLimit
	}

	window, err := nextWindow(ctx, tx, o)
	if err != nil {
		return Increment{}, err
	}

	if err := sumUpStock(ctx, tx, window.after, window.upto); err != nil {
		return Increment{}, err
	}

	increment := Increment{Orders: len(window.orders), Done: window.done}

	for _, i := range invariants() {
		found, err := i.checkWindow(ctx, tx, o, window)
		if err != nil {
			return Increment{}, err
		}

		increment.Violations = append(increment.Violations, found...)
	}

	return increment, keepUnsettled(ctx, tx, window.orders)
}

// checkWindow looks for violations in the window and checks the open findings again,
// and keeps the result.
func (i Invariant) checkWindow(ctx context.Context, tx pgx.Tx, o Options, w window) ([]Violation, error) {
	// It also adds up all rows after the window: too many until the audit has caught up with the present.
	if i.Scope == ScopeSums && !w.done {
		return nil, nil
	}

	var (
		again []string
		found []Violation
		err   error
	)

	if o.Again || i.Scope == ScopeSums {
		if again, err = openSubjects(ctx, tx, i.Name, &o.Limit); err != nil {
			return nil, err
		}
	}

	switch i.Scope {
	case ScopeOrders:
		found, err = i.find(ctx, tx, slices.Concat(w.orders, orderIDs(again)), o.Grace)
	case ScopeWindow:
		found, err = i.find(ctx, tx, w.after, w.upto, again)
	case ScopeSums:
		found, err = i.find(ctx, tx, w.upto)
	}

	if err != nil {
		return nil, err
	}

	if err := keepFindings(ctx, tx, i.Name, found); err != nil {
		return nil, err
	}

	return found, i.resolveUnseen(ctx, tx, again)
}

// keepUnsettled remembers which of the orders must be checked again.
func keepUnsettled(ctx context.Context, tx pgx.Tx, orders []uuid.UUID) error {
	return pipeline.Exec(ctx, tx, "keep unsettled orders", `
		WITH unsettled AS (
			SELECT order_id AS id
			FROM undone_steps
			WHERE order_id = ANY($1)
			UNION
			SELECT id
			FROM orders
			WHERE id = ANY($1)
				AND (status = 'pending' OR status = 'awaiting_payment' AND hold_until <= now())
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
}

// sumUpStock adds the stock movements and receipts of a window to the sums.
func sumUpStock(ctx context.Context, tx pgx.Tx, after, upto pgtype.Timestamptz) error {
	return pipeline.Exec(ctx, tx, "sum up stock", `
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
}
