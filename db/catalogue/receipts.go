package catalogue

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orders/order"
)

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
	product, err := lock(ctx, tx, r.SKU)
	if err != nil {
		return 0, err
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

	return product.Available, sameReceipt(ctx, tx, r)
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
