package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/order"
)

// Catalogue returns what an order needs of the products among skus, by sku, and the
// transaction's time if there is such a product. Package catalogue has the rest of them.
func Catalogue(ctx context.Context, q Querier, skus []string) (catalogue map[string]order.Product, now time.Time, err error) {
	rows, err := q.Query(ctx, `
		SELECT sku, price, currency, archived_at, now()
		FROM products
		WHERE sku = ANY($1)`, skus)
	if err != nil {
		return nil, now, fmt.Errorf("read catalogue: %w", err)
	}

	var p order.Product

	catalogue = map[string]order.Product{}

	_, err = pgx.ForEachRow(rows, []any{&p.SKU, &p.Price, &p.Currency, &p.ArchivedAt, &now}, func() error {
		catalogue[p.SKU] = p

		return nil
	})
	if err != nil {
		return nil, now, fmt.Errorf("read catalogue: %w", err)
	}

	return catalogue, now, nil
}
