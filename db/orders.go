package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
)

// InsertOrders writes new orders with their lines and returns when each was
// created, by id. batches has the batch of each order that shares its jobs. An order may
// exist already, from a transaction whose commit outcome was unknown: it is not changed,
// and it is not in the result.
func InsertOrders(ctx context.Context, tx pgx.Tx, orders []order.Order, batches map[uuid.UUID]uuid.UUID) (map[uuid.UUID]time.Time, error) {
	created, err := insertHeads(ctx, tx, orders, batches)
	if err != nil {
		return nil, err
	}

	fresh := make([]order.Order, 0, len(orders))

	for _, o := range orders {
		if _, ok := created[o.ID]; ok {
			fresh = append(fresh, o)
		}
	}

	lines := flatten(fresh)

	_, err = tx.Exec(ctx, `
		INSERT INTO order_lines (order_id, sku, quantity, unit_price)
		SELECT l.order_id, l.sku, l.quantity, l.unit_price
		FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS l (order_id, sku, quantity, unit_price)`,
		lines.orderIDs, lines.skus, lines.quantities, lines.unitPrices)
	if err != nil {
		return nil, fmt.Errorf("insert order lines: %w", err)
	}

	return created, nil
}

func insertHeads(ctx context.Context, tx pgx.Tx, orders []order.Order, batchOf map[uuid.UUID]uuid.UUID) (map[uuid.UUID]time.Time, error) {
	n := len(orders)
	ids, totals := make([]uuid.UUID, n), make([]int64, n)
	users, statuses, currencies := make([]string, n), make([]string, n), make([]string, n)
	holds, batches := make([]*time.Time, n), make([]uuid.NullUUID, n)

	for i, o := range orders {
		ids[i], users[i], statuses[i], currencies[i], totals[i] = o.ID, o.UserID, string(o.Status), o.Currency, o.Total
		holds[i] = o.HoldUntil
		batches[i].UUID, batches[i].Valid = batchOf[o.ID]
	}

	rows, err := tx.Query(ctx, `
		INSERT INTO orders (id, user_id, status, currency, total, hold_until, batch_id)
		SELECT o.id, o.user_id, o.status, o.currency, o.total, o.hold_until, o.batch_id
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::uuid[])
			AS o (id, user_id, status, currency, total, hold_until, batch_id)
		ORDER BY o.id
		ON CONFLICT DO NOTHING
		RETURNING id, created_at`, ids, users, statuses, currencies, totals, holds, batches)
	if err != nil {
		return nil, fmt.Errorf("insert orders: %w", err)
	}

	var (
		id uuid.UUID
		at time.Time
	)

	created := make(map[uuid.UUID]time.Time, n)

	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		created[id] = at

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("insert orders: %w", err)
	}

	return created, nil
}

// LockUnreserved locks the orders that must have stock, in id order. It returns those
// that have no stock, in id order and with their lines: pending orders, and later
// orders without a row in the ledger.
func LockUnreserved(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]order.Order, error) {
	orders, err := lockOrders(ctx, tx, `
		id = ANY($1) AND status IN ('pending', 'awaiting_payment', 'confirmed')
		ORDER BY id FOR NO KEY UPDATE`, ids)
	if err != nil {
		return nil, err
	}

	var past []uuid.UUID

	for _, o := range orders {
		if o.Status != order.Pending {
			past = append(past, o.ID)
		}
	}

	// A statement of its own: the one above waited for the transaction that reserved an order, but could not see its movements.
	reserved, err := withStock(ctx, tx, past)
	if err != nil {
		return nil, err
	}

	orders = slices.DeleteFunc(orders, func(o order.Order) bool { return reserved[o.ID] })

	return orders, readLines(ctx, tx, orders)
}

// withStock finds those of the orders that have taken stock.
func withStock(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	reserved := map[uuid.UUID]bool{}
	if len(ids) == 0 {
		return reserved, nil
	}

	rows, err := tx.Query(ctx, `
		SELECT DISTINCT order_id
		FROM stock_movements
		WHERE order_id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read movements: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("read movements: %w", err)
	}

	for _, id := range list {
		reserved[id] = true
	}

	return reserved, nil
}

// LockOrders locks the orders, in id order, and returns them in that order,
// without lines and steps.
func LockOrders(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]order.Order, error) {
	return lockOrders(ctx, tx, `id = ANY($1) ORDER BY id FOR NO KEY UPDATE`, ids)
}

// LockOverdue locks at most limit orders of each kind that are overdue: pending
// orders older than deadline, and held orders whose payment is late by more than
// grace. Within grace, the order's own job expires it. Orders that another transaction has
// locked are skipped: that transaction changes them.
func LockOverdue(ctx context.Context, tx pgx.Tx, deadline, grace time.Duration, limit int) ([]order.Order, error) {
	overdue, err := lockOrders(ctx, tx, `
		status = 'pending' AND id < uuid_at(now() - $1::interval)
		ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED`, deadline, limit)
	if err != nil {
		return nil, err
	}

	unpaid, err := lockOrders(ctx, tx, `
		status = 'awaiting_payment' AND hold_until < now() - $1::interval
		ORDER BY hold_until LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED`, grace, limit)
	if err != nil {
		return nil, err
	}

	return append(overdue, unpaid...), nil
}

// lockOrders locks the orders that a condition selects.
func lockOrders(ctx context.Context, tx pgx.Tx, condition string, args ...any) ([]order.Order, error) {
	rows, err := tx.Query(ctx, `
		SELECT id, user_id, status, status_reason, currency, total, hold_until, created_at, updated_at
		FROM orders
		WHERE `+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("lock orders: %w", err)
	}

	orders, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[order.Order])
	if err != nil {
		return nil, fmt.Errorf("lock orders: %w", err)
	}

	return orders, nil
}

// readLines fills in the orders' lines.
func readLines(ctx context.Context, q Querier, orders []order.Order) error {
	if len(orders) == 0 {
		return nil
	}

	rows, err := q.Query(ctx, `
		SELECT order_id, sku, quantity, unit_price
		FROM order_lines
		WHERE order_id = ANY($1)
		ORDER BY order_id, sku`, idsOf(orders))
	if err != nil {
		return fmt.Errorf("read lines: %w", err)
	}

	var (
		id   uuid.UUID
		line order.Line
	)

	lines := make(map[uuid.UUID][]order.Line, len(orders))

	_, err = pgx.ForEachRow(rows, []any{&id, &line.SKU, &line.Quantity, &line.UnitPrice}, func() error {
		lines[id] = append(lines[id], line)

		return nil
	})
	if err != nil {
		return fmt.Errorf("read lines: %w", err)
	}

	for i := range orders {
		orders[i].Lines = lines[orders[i].ID]
	}

	return nil
}

func idsOf(orders []order.Order) []uuid.UUID {
	ids := make([]uuid.UUID, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}

	return ids
}

// A Move is an order's new status and why it has it.
type Move struct {
	OrderID uuid.UUID
	To      order.Status
	Reason  string
}

// SetStatus moves orders that the transaction has locked.
func SetStatus(ctx context.Context, tx pgx.Tx, moves []Move) error {
	ids := make([]uuid.UUID, len(moves))
	statuses := make([]string, len(moves))
	reasons := make([]string, len(moves))

	for i, m := range moves {
		ids[i], statuses[i], reasons[i] = m.OrderID, string(m.To), m.Reason
	}

	_, err := tx.Exec(ctx, `
		UPDATE orders
		SET status = m.status,
			status_reason = m.reason,
			updated_at = now()
		FROM unnest($1::uuid[], $2::text[], $3::text[]) AS m (id, status, reason)
		WHERE orders.id = m.id`, ids, statuses, reasons)
	if err != nil {
		return fmt.Errorf("set status: %w", err)
	}

	return nil
}

// Missing returns the ids for which there is no order.
func Missing(ctx context.Context, q Querier, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	rows, err := q.Query(ctx, `
		SELECT m.id
		FROM unnest($1::uuid[]) AS m (id)
		WHERE NOT EXISTS (SELECT FROM orders WHERE orders.id = m.id)`, ids)
	if err != nil {
		return nil, fmt.Errorf("find missing orders: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("find missing orders: %w", err)
	}

	missing := make(map[uuid.UUID]bool, len(list))
	for _, id := range list {
		missing[id] = true
	}

	return missing, nil
}
