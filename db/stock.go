package db

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
	"orders/order"
)

// collectStock reads what is left of each product.
func collectStock(rows pgx.Rows) (map[string]int64, error) {
	var (
		sku       string
		available int64
	)

	stock := map[string]int64{}

	_, err := pgx.ForEachRow(rows, []any{&sku, &available}, func() error {
		stock[sku] = available

		return nil
	})

	return stock, err //nolint:wrapcheck // the caller does
}

// Deduct writes a movement for each line of the orders that has none, and deducts these
// movements from stock.
func Deduct(ctx context.Context, tx pgx.Tx, orders []order.Order) error {
	lines := flatten(orders)
	if len(lines.skus) == 0 {
		return nil
	}

	return pipeline.Exec(ctx, tx, "deduct stock", `
		WITH moved AS (
			INSERT INTO stock_movements (order_id, sku, kind, quantity)
			SELECT l.order_id, l.sku, 'deduct', l.quantity
			FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS l (order_id, sku, quantity)
			ORDER BY l.order_id, l.sku
			ON CONFLICT DO NOTHING
			RETURNING sku, quantity
		), taken AS (
			SELECT sku, sum(quantity)::bigint AS quantity
			FROM moved
			GROUP BY sku
		)
		UPDATE products
		SET available = available - taken.quantity
		FROM taken
		WHERE products.sku = taken.sku`, lines.orderIDs, lines.skus, lines.quantities)
}

// Release returns to stock what the orders deducted, once a line.
func Release(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	// The products first, in sku order; what the orders took cannot change, as their rows are locked.
	err := pipeline.Exec(ctx, tx, "lock stock", `
		SELECT sku
		FROM products
		WHERE sku = ANY(ARRAY(
			SELECT sku
			FROM stock_movements
			WHERE order_id = ANY($1)
				AND kind = 'deduct'
		))
		ORDER BY sku
		FOR NO KEY UPDATE`, ids)
	if err != nil {
		return err
	}

	return pipeline.Exec(ctx, tx, "release stock", `
		WITH released AS (
			INSERT INTO stock_movements (order_id, sku, kind, quantity)
			SELECT order_id, sku, 'release', quantity
			FROM stock_movements
			WHERE order_id = ANY($1)
				AND kind = 'deduct'
			ORDER BY order_id, sku
			ON CONFLICT DO NOTHING
			RETURNING sku, quantity
		), given AS (
			SELECT sku, sum(quantity)::bigint AS quantity
			FROM released
			GROUP BY sku
		)
		UPDATE products
		SET available = available + given.quantity
		FROM given
		WHERE products.sku = given.sku`, ids)
}

// RecordShortages keeps, with the lines of orders that are rejected, what was left of their
// products.
func RecordShortages(ctx context.Context, tx pgx.Tx, short map[uuid.UUID]order.Shortages) error {
	if len(short) == 0 {
		return nil
	}

	var (
		ids       []uuid.UUID
		skus      []string
		available []int64
	)

	for id, shortages := range short {
		for _, s := range shortages {
			ids, skus, available = append(ids, id), append(skus, s.SKU), append(available, s.Available)
		}
	}

	return pipeline.Exec(ctx, tx, "record shortages", `
		UPDATE order_lines
		SET available = s.available
		FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS s (order_id, sku, available)
		WHERE order_lines.order_id = s.order_id
			AND order_lines.sku = s.sku`, ids, skus, available)
}

// columns are the lines of many orders as the arrays that unnest takes.
type columns struct {
	orderIDs   []uuid.UUID
	skus       []string
	quantities []int64
	unitPrices []int64
}

func flatten(orders []order.Order) columns {
	var c columns

	for _, o := range orders {
		c.add(o)
	}

	return c
}

func (c *columns) add(o order.Order) {
	for _, l := range o.Lines {
		c.orderIDs = append(c.orderIDs, o.ID)
		c.skus = append(c.skus, l.SKU)
		c.quantities = append(c.quantities, l.Quantity)
		c.unitPrices = append(c.unitPrices, l.UnitPrice)
	}
}
