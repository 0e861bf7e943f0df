// Package catalogue keeps the products: their entries, and the stock that comes in.
package catalogue

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// columns are those of [order.Product].
const columns = `sku, name, price, currency, available, low_stock, created_at, updated_at, archived_at`

// A State tells whether a product can be ordered.
type State string

// The states to list by.
const (
	Active   State = "active"
	Archived State = "archived"
	All      State = "all"
)

// conditions are those of the states. Each is that of an index.
var conditions = map[State]string{
	Active:   " AND archived_at IS NULL",
	Archived: " AND archived_at IS NOT NULL",
	All:      "",
}

// low is the condition of a stock below its threshold. Its first part is that of an index.
const low = " AND low_stock > 0 AND available < low_stock"

// List lists the products by sku: at most limit products that follow the sku after.
func List(ctx context.Context, q db.Querier, state State, after string, limit int) ([]order.Product, error) {
	return list(ctx, q, conditions[state], after, limit)
}

// Low is [List] of the products whose stock is low.
func Low(ctx context.Context, q db.Querier, state State, after string, limit int) ([]order.Product, error) {
	return list(ctx, q, conditions[state]+low, after, limit)
}

func list(ctx context.Context, q db.Querier, condition, after string, limit int) ([]order.Product, error) {
	rows, err := q.Query(ctx, `
		SELECT `+columns+`
		FROM products
		WHERE sku > $1`+condition+`
		ORDER BY sku
		LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[order.Product])
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}

	return list, nil
}

// Product reads one product; [order.NotFound] when there is none.
func Product(ctx context.Context, q db.Querier, sku string) (order.Product, error) {
	return one(ctx, q, sku, `
		SELECT `+columns+`
		FROM products
		WHERE sku = $1`)
}

// lock is [Product], with the product locked until the transaction ends.
func lock(ctx context.Context, tx pgx.Tx, sku string) (order.Product, error) {
	return one(ctx, tx, sku, `
		SELECT `+columns+`
		FROM products
		WHERE sku = $1
		FOR NO KEY UPDATE`)
}

// one runs a statement that returns the product with the sku.
func one(ctx context.Context, q db.Querier, sku, sql string, args ...any) (p order.Product, err error) {
	rows, err := q.Query(ctx, sql, append([]any{sku}, args...)...)
	if err == nil {
		p, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[order.Product])
	}

	if errors.Is(err, pgx.ErrNoRows) {
		return p, order.Errorf(order.NotFound, "There is no product %q; GET /products lists them.", sku)
	}

	if err != nil {
		return p, fmt.Errorf("read product: %w", err)
	}

	return p, nil
}

// Add puts a product, and books its stock as a receipt with the reference.
func Add(ctx context.Context, tx pgx.Tx, p order.Product, reference string) error {
	_, _, err := Put(ctx, tx, p, &p.LowStock, nil)
	if err != nil || p.Available == 0 {
		return err
	}

	_, _, err = Book(ctx, tx, Receipt{SKU: p.SKU, Reference: reference, Quantity: p.Available})

	return err
}

// A Guard refuses a change by the product as it is before; nil if there is none.
type Guard func(current *order.Product) error

// Put writes a product's name, price and currency, and its threshold unless lowStock is nil. It
// returns the product. It does not change its stock. A product that has these already stays as it is.
func Put(ctx context.Context, tx pgx.Tx, p order.Product, lowStock *int64, guard Guard) (stored order.Product, created bool, err error) {
	if guard == nil {
		guard = func(*order.Product) error { return nil }
	}

	stored, err = one(ctx, tx, p.SKU, `
		INSERT INTO products (sku, name, price, currency, low_stock)
		VALUES ($1, $2, $3, $4, coalesce($5, 0))
		ON CONFLICT DO NOTHING
		RETURNING `+columns, p.Name, p.Price, p.Currency, lowStock)

	switch {
	case err == nil:
		return stored, true, guard(nil)
	case order.CodeOf(err) != order.NotFound: // it is not there because it was there
		return stored, false, err
	}

	if stored, err = lock(ctx, tx, p.SKU); err != nil {
		return stored, false, err
	}

	if err := guard(&stored); err != nil {
		return stored, false, err
	}

	if same := lowStock == nil || *lowStock == stored.LowStock; same &&
		stored.Name == p.Name && stored.Price == p.Price && stored.Currency == p.Currency {
		return stored, false, nil
	}

	stored, err = one(ctx, tx, p.SKU, `
		UPDATE products
		SET name = $2,
			price = $3,
			currency = $4,
			low_stock = coalesce($5, low_stock),
			updated_at = now()
		WHERE sku = $1
		RETURNING `+columns, p.Name, p.Price, p.Currency, lowStock)

	return stored, false, err
}

// Archive makes that a product cannot be ordered any more, or that it can again, and returns
// the product. Nothing is changed if that is so already.
func Archive(ctx context.Context, tx pgx.Tx, sku string, archived bool) (p order.Product, changed bool, err error) {
	p, err = lock(ctx, tx, sku)
	if err != nil || (p.ArchivedAt != nil) == archived {
		return p, false, err
	}

	p, err = one(ctx, tx, sku, `
		UPDATE products
		SET archived_at = CASE WHEN $2 THEN now() END,
			updated_at = now()
		WHERE sku = $1
		RETURNING `+columns, archived)

	return p, true, err
}
