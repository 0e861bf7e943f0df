package catalogue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// A Receipt is stock that came in or, with a reason, an adjustment of the stock.
type Receipt struct {
	Client    string `db:"-"` // who sends it: two clients may use one reference
	SKU       string
	Reference string
	Quantity  int64 // negative if there is less; that of a stock-take is computed when it is booked
	Reason    order.AdjustmentReason
	Counted   *int64 // of a stock-take, else nil
	Note      string
	At        time.Time
	Replayed  bool `db:"-"` // it was booked before
}

// Book books a receipt or an adjustment, once for each reference of a client, and returns it with the
// stock after it. It refuses with [order.NotFound] for an unknown product, with
// [order.ReceiptReused] when the reference was booked otherwise, with
// [order.InsufficientStock] when there is not as much to take away, and with
// [order.StockOverflow].
func Book(ctx context.Context, tx pgx.Tx, r Receipt) (booked Receipt, available int64, err error) {
	// Products are locked first, as everywhere. The lock also makes two receipts of one reference wait for each other.
	product, err := lock(ctx, tx, r.SKU)
	if err != nil {
		return r, 0, err
	}

	booked, found, err := find(ctx, tx, r)
	if err != nil || found {
		return booked, product.Available, err
	}

	if r.Counted != nil {
		r.Quantity = *r.Counted - product.Available
	}

	if r.Quantity < 0 && product.Available+r.Quantity < 0 {
		return r, 0, insufficient(product)
	}

	err = tx.QueryRow(ctx, `
		WITH receipt AS (
			INSERT INTO stock_receipts (sku, reference, quantity, reason, counted, note, client)
			VALUES ($1, $2, $3, nullif($4, ''), $5, $6, $7)
			RETURNING sku, quantity, at
		)
		UPDATE products
		SET available = available + receipt.quantity
		FROM receipt
		WHERE products.sku = receipt.sku
		RETURNING products.available, receipt.at`,
		r.SKU, r.Reference, r.Quantity, r.Reason, r.Counted, r.Note, r.Client).Scan(&available, &r.At)
	if err != nil {
		return r, 0, fmt.Errorf("book receipt: %w", err)
	}

	if available > order.MaxExact {
		return r, 0, order.Errorf(order.StockOverflow, "The stock of %q would be more than %d.", r.SKU, int64(order.MaxExact))
	}

	return r, available, nil
}

func insufficient(product order.Product) error {
	refusal := order.Errorf(order.InsufficientStock, "%d of %q are available; take away no more.", product.Available, product.SKU).
		At(order.Fieldf("quantity", "expected number >= %d", -product.Available))
	refusal.Available = &product.Available

	return refusal
}

// find looks for the receipt that was booked with a reference, by the client, or by nobody:
// before references had clients, or without a token. It refuses r if that was another one. The quantity
// of a stock-take follows from what was counted.
func find(ctx context.Context, tx pgx.Tx, r Receipt) (booked Receipt, found bool, err error) {
	rows, err := tx.Query(ctx, `
		SELECT sku, reference, quantity, coalesce(reason, '') AS reason, counted, note, at
		FROM stock_receipts
		WHERE sku = $1
			AND reference = $2
			AND client IN ($3, '')
		ORDER BY client DESC
		LIMIT 1`, r.SKU, r.Reference, r.Client)
	if err == nil {
		booked, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Receipt])
	}

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return r, false, nil
	case err != nil:
		return r, false, fmt.Errorf("read receipt: %w", err)
	}

	same := booked.Reason == r.Reason && (booked.Counted == nil) == (r.Counted == nil)
	if r.Counted == nil {
		same = same && booked.Quantity == r.Quantity
	} else {
		same = same && *booked.Counted == *r.Counted
	}

	if !same {
		return r, false, order.Errorf(order.ReceiptReused, "Reference %q was booked for %q as %s; use another reference.",
			r.Reference, r.SKU, booked.words())
	}

	booked.Replayed = true

	return booked, true, nil
}

// words say what a receipt is.
func (r Receipt) words() string {
	switch {
	case r.Counted != nil:
		return fmt.Sprintf("%s with %d counted", r.Reason, *r.Counted)
	case r.Reason != "":
		return fmt.Sprintf("%s with quantity %d", r.Reason, r.Quantity)
	default:
		return fmt.Sprintf("a receipt with quantity %d", r.Quantity)
	}
}

// A Position is where a page of a product's receipts ended.
type Position struct {
	At        time.Time
	Reference string
}

// Receipts lists a product's receipts and adjustments, the newest first: at most limit that
// follow the position after (nil for the first page).
func Receipts(ctx context.Context, q db.Querier, sku string, after *Position, limit int) ([]Receipt, error) {
	query := `
		SELECT sku, reference, quantity, coalesce(reason, '') AS reason, counted, note, at
		FROM stock_receipts
		WHERE sku = $1`
	args := []any{sku, limit}

	if after != nil {
		query += `
			AND (at, reference) < ($3, $4)`

		args = append(args, after.At, after.Reference)
	}

	rows, err := q.Query(ctx, query+`
		ORDER BY at DESC, reference DESC
		LIMIT $2`, args...)
	if err != nil {
		return nil, fmt.Errorf("list receipts: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Receipt])
	if err != nil {
		return nil, fmt.Errorf("list receipts: %w", err)
	}

	return list, nil
}
