package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/order"
)

// Catalogue returns the products among skus, by sku, and the transaction's time if there is
// such a product.
func Catalogue(ctx context.Context, q Querier, skus []string) (catalogue map[string]order.Product, now time.Time, err error) {
	rows, err := q.Query(ctx, `
		SELECT sku, name, price, currency, available, now()
		FROM products
		WHERE sku = ANY($1)`, skus)
	if err != nil {
		return nil, now, fmt.Errorf("read catalogue: %w", err)
	}

	var p order.Product

	catalogue = map[string]order.Product{}

	_, err = pgx.ForEachRow(rows, []any{&p.SKU, &p.Name, &p.Price, &p.Currency, &p.Available, &now}, func() error {
		catalogue[p.SKU] = p

		return nil
	})
	if err != nil {
		return nil, now, fmt.Errorf("read catalogue: %w", err)
	}

	return catalogue, now, nil
}

// Products lists the catalogue by sku: at most limit products that follow the sku after.
func Products(ctx context.Context, q Querier, after string, limit int) ([]order.Product, error) {
	rows, err := q.Query(ctx, `
		SELECT sku, name, price, currency, available
		FROM products
		WHERE sku > $1
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
func Product(ctx context.Context, q Querier, sku string) (order.Product, error) {
	found, _, err := Catalogue(ctx, q, []string{sku})
	if err != nil {
		return order.Product{}, err
	}

	p, ok := found[sku]
	if !ok {
		return order.Product{}, noProduct(sku)
	}

	return p, nil
}

func noProduct(sku string) error {
	return order.Errorf(order.NotFound, "There is no product %q; GET /products lists them.", sku)
}

// PutProduct writes a product's name, price and currency, and returns the product. It
// does not change its stock.
func PutProduct(ctx context.Context, tx pgx.Tx, p order.Product) (order.Product, error) {
	err := tx.QueryRow(ctx, `
		INSERT INTO products (sku, name, price, currency)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (sku) DO UPDATE
		SET name = EXCLUDED.name,
			price = EXCLUDED.price,
			currency = EXCLUDED.currency,
			updated_at = now()
		RETURNING available`, p.SKU, p.Name, p.Price, p.Currency).Scan(&p.Available)
	if err != nil {
		return order.Product{}, fmt.Errorf("put product: %w", err)
	}

	return p, nil
}

// A Receipt is stock that came in.
type Receipt struct {
	SKU       string
	Reference string
	Quantity  int64
}

// Receive records a receipt, once for each reference, and returns the stock after
// it. It refuses with [order.NotFound] for an unknown product and with
// [order.ReceiptReused] when the reference has another quantity.
func Receive(ctx context.Context, tx pgx.Tx, r Receipt) (available int64, err error) {
	// Products are locked first, as everywhere. The lock also makes two receipts of one reference wait for each other.
	err = tx.QueryRow(ctx, `
		SELECT available
		FROM products
		WHERE sku = $1
		FOR NO KEY UPDATE`, r.SKU).Scan(&available)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, noProduct(r.SKU)
	}

	if err != nil {
		return 0, fmt.Errorf("lock product: %w", err)
	}

	err = tx.QueryRow(ctx, `
		WITH receipt AS (
			INSERT INTO stock_receipts (sku, reference, quantity)
			VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING
			RETURNING sku, quantity
		)
		UPDATE products
		SET available = available + receipt.quantity
		FROM receipt
		WHERE products.sku = receipt.sku
		RETURNING products.available`, r.SKU, r.Reference, r.Quantity).Scan(&available)
	if err == nil && available > order.MaxExact {
		return 0, order.Errorf(order.StockOverflow, "The stock of %q would be more than %d.", r.SKU, int64(order.MaxExact))
	}

	if err == nil {
		return available, nil
	}

	if !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("book receipt: %w", err)
	}

	return available, sameReceipt(ctx, tx, r)
}

// sameReceipt refuses a receipt whose reference was booked with another quantity.
func sameReceipt(ctx context.Context, tx pgx.Tx, r Receipt) error {
	var booked int64

	err := tx.QueryRow(ctx, `
		SELECT quantity
		FROM stock_receipts
		WHERE sku = $1
			AND reference = $2`, r.SKU, r.Reference).Scan(&booked)
	if err != nil {
		return fmt.Errorf("read receipt: %w", err)
	}

	if booked != r.Quantity {
		return order.Errorf(order.ReceiptReused, "Reference %q was booked for %q with quantity %d; use another reference.",
			r.Reference, r.SKU, booked)
	}

	return nil
}
