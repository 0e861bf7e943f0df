package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
	"orders/order"
)

// A NewOrder is an order that is to be written.
type NewOrder struct {
	order.Order

	Client      string        // who places it, empty if no token was asked for
	Batch       uuid.NullUUID // of an order that shares its jobs
	Scope       string        // of its Idempotency-Key
	Key         string        // its Idempotency-Key, empty for none
	RequestHash []byte        // of the key's request
}

// InsertOrders writes new orders with their lines and claims their keys, and returns when
// each order was created, by id.
//
// An order is not written, and is not in the result, if it exists already, from a
// transaction whose commit outcome was unknown, or if its key or reference is not free. Then
// package idempotency finds the order that has the key, and [FindReferences] that of the
// reference. It waits for a transaction that is writing one of them.
func InsertOrders(ctx context.Context, tx pgx.Tx, orders []NewOrder) (map[uuid.UUID]time.Time, error) {
	n := len(orders)
	ids, totals, batches := make([]uuid.UUID, n), make([]int64, n), make([]uuid.NullUUID, n)
	users, statuses, currencies := make([]string, n), make([]string, n), make([]string, n)
	references, notes, metadata := make([]string, n), make([]string, n), make([]map[string]string, n)
	keys, hashes, holds := make([]string, n), make([][]byte, n), make([]*time.Time, n)
	scopes, clients := make([]string, n), make([]string, n)
	emails, locales := make([]string, n), make([]string, n)
	lines := columns{}

	for i, o := range orders {
		ids[i], users[i], statuses[i], currencies[i], totals[i] = o.ID, o.UserID, string(o.Status), o.Currency, o.Total
		holds[i], batches[i], keys[i], hashes[i] = o.HoldUntil, o.Batch, o.Key, o.RequestHash
		references[i], notes[i], metadata[i] = o.Reference, o.Note, o.Metadata
		scopes[i], clients[i] = o.Scope, o.Client
		emails[i], locales[i] = o.Email, string(o.Locale)
		lines.add(o.Order)
	}

	rows, err := tx.Query(ctx, insertOrders, scopes, ids, users, statuses, currencies, totals, holds, batches, keys, hashes,
		lines.orderIDs, lines.skus, lines.quantities, lines.unitPrices, references, notes, metadata, clients, emails, locales)
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

// insertOrders claims the keys in their order, and then the references in theirs: two
// transactions that claim the same ones must not wait for each other. Of two orders with one
// key or reference, the first gets it.
const insertOrders = `
	WITH new AS (
		SELECT scope, client, id, user_id, status, currency, total, hold_until, batch_id, key, request_hash, reference, note,
			metadata, email, locale, n
		FROM unnest(
			$2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[], $8::uuid[], $9::text[], $10::bytea[],
			$15::text[], $16::text[], $17::jsonb[], $1::text[], $18::text[], $19::text[], $20::text[]
		) WITH ORDINALITY
			AS o (id, user_id, status, currency, total, hold_until, batch_id, key, request_hash,
				reference, note, metadata, scope, client, email, locale, n)
	), claimed AS (
		INSERT INTO idempotency_keys (scope, client, key, request_hash, order_id)
		SELECT scope, nullif(client, ''), key, request_hash, id
		FROM new
		WHERE key <> ''
			AND (
				client = ''
				OR scope <> 'orders'
				OR NOT EXISTS (SELECT FROM idempotency_keys AS own WHERE own.scope = 'orders/' || new.client AND own.key = new.key OFFSET 0)
			)
		ORDER BY scope, key, n
		ON CONFLICT DO NOTHING
		RETURNING order_id
	), created AS (
		INSERT INTO orders (id, client, user_id, status, currency, total, hold_until, batch_id, reference, note, metadata, email, locale)
		SELECT id, client, user_id, status, currency, total, hold_until, batch_id, nullif(reference, ''), nullif(note, ''), metadata,
			nullif(email, ''), nullif(nullif(locale, ''), 'en') -- an order without them is no larger
		FROM new
		WHERE key = '' OR id IN (SELECT order_id FROM claimed)
		ORDER BY client, reference, n
		ON CONFLICT DO NOTHING
		RETURNING id, created_at
	), lines AS (
		INSERT INTO order_lines (order_id, sku, quantity, unit_price)
		SELECT l.order_id, l.sku, l.quantity, l.unit_price
		FROM unnest($11::uuid[], $12::text[], $13::bigint[], $14::bigint[]) AS l (order_id, sku, quantity, unit_price)
		JOIN created ON created.id = l.order_id
	)
	SELECT id, created_at
	FROM created`

// LockUnreserved locks the orders that must have stock, in id order, and then the products
// of their lines, in sku order. It returns those of the orders that have no stock, in id
// order and with their lines: pending orders, and later orders without a row in the ledger.
// It also returns what is left of each product.
func LockUnreserved(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) (orders []order.Order, stock map[string]int64, err error) {
	var lines map[uuid.UUID][]order.Line

	b := &pgx.Batch{} // in one round trip: other transactions wait for these products

	b.Queue(`
		SELECT `+orderColumns+`
		FROM orders
		WHERE id = ANY($1)
			AND status IN ('pending', 'awaiting_payment', 'confirmed')
		ORDER BY id
		FOR NO KEY UPDATE`, ids).Query(func(rows pgx.Rows) (err error) {
		orders, err = pgx.CollectRows(rows, pgx.RowToStructByNameLax[order.Order])

		return err
	})
	b.Queue(linesOfOrders, ids).Query(func(rows pgx.Rows) (err error) {
		lines, err = collectLines(rows)

		return err
	})
	b.Queue(`
		SELECT sku, available
		FROM products
		WHERE sku = ANY(ARRAY(
			SELECT sku
			FROM order_lines
			WHERE order_id = ANY($1)
		))
		ORDER BY sku
		FOR NO KEY UPDATE`, ids).Query(func(rows pgx.Rows) (err error) {
		stock, err = collectStock(rows)

		return err
	})

	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, nil, fmt.Errorf("lock orders and stock: %w", err)
	}

	var past []uuid.UUID

	for i, o := range orders {
		orders[i].Lines = lines[o.ID]

		if o.Status != order.Pending {
			past = append(past, o.ID)
		}
	}

	// A statement of its own: the first one waited for the transaction that reserved an order, but could not see its movements.
	reserved, err := withStock(ctx, tx, past)
	if err != nil {
		return nil, nil, err
	}

	return slices.DeleteFunc(orders, func(o order.Order) bool { return reserved[o.ID] }), stock, nil
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

// orderColumns are those of an order without its lines and steps.
const orderColumns = `id, user_id, status, status_reason, currency, total, hold_until, created_at, updated_at,
	coalesce(status_reason_code, reason_code(status, status_reason), '') AS status_reason_code,
	coalesce(reference, '') AS reference, coalesce(note, '') AS note, metadata, coalesce(locale, '') AS locale`

// lockOrders locks the orders that a condition selects.
func lockOrders(ctx context.Context, tx pgx.Tx, condition string, args ...any) ([]order.Order, error) {
	rows, err := tx.Query(ctx, `
		SELECT `+orderColumns+`
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

const linesOfOrders = `
	SELECT order_id, sku, quantity, unit_price, available
	FROM order_lines
	WHERE order_id = ANY($1)
	ORDER BY order_id, sku`

func collectLines(rows pgx.Rows) (map[uuid.UUID][]order.Line, error) {
	var (
		id   uuid.UUID
		line order.Line
	)

	lines := map[uuid.UUID][]order.Line{}

	_, err := pgx.ForEachRow(rows, []any{&id, &line.SKU, &line.Quantity, &line.UnitPrice, &line.Available}, func() error {
		lines[id] = append(lines[id], line)

		return nil
	})

	return lines, err //nolint:wrapcheck // the caller does
}

// readLines fills in the orders' lines.
func readLines(ctx context.Context, q Querier, orders []order.Order) error {
	if len(orders) == 0 {
		return nil
	}

	rows, err := q.Query(ctx, linesOfOrders, idsOf(orders))
	if err != nil {
		return fmt.Errorf("read lines: %w", err)
	}

	lines, err := collectLines(rows)
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
	Reason  order.Reason // empty for an order that goes on
}

// SetStatus moves orders that the transaction has locked.
func SetStatus(ctx context.Context, tx pgx.Tx, moves []Move) error {
	ids := make([]uuid.UUID, len(moves))
	statuses := make([]string, len(moves))
	reasons, codes := make([]string, len(moves)), make([]string, len(moves))

	for i, m := range moves {
		ids[i], statuses[i], reasons[i], codes[i] = m.OrderID, string(m.To), m.Reason.Text, string(m.Reason.Code)
	}

	return pipeline.Exec(ctx, tx, "set status", `
		UPDATE orders
		SET status = m.status,
			status_reason = m.reason,
			status_reason_code = nullif(m.code, ''),
			updated_at = now()
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS m (id, status, reason, code)
		WHERE orders.id = m.id`, ids, statuses, reasons, codes)
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
