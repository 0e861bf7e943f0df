package schema_test

import (
	"context"
	"testing"

	"orders/db/dbtest"
	"orders/db/schema"
)

// beforeAdjustments is the version before stock was adjusted.
const beforeAdjustments = 27

// A program of before knows positive receipts only: the way down takes what adjustments took
// away from the newest receipts, and every sum stays.
func TestTheWayDownKeepsAdjustedStock(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)
	pool := open(t, url)

	if err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}

	for _, sql := range []string{
		`INSERT INTO products (sku, name, price, currency, available)
			VALUES ('tea', '', 1, 'EUR', 11), ('mug', '', 1, 'EUR', 0), ('pot', '', 1, 'EUR', 5)`,
		`INSERT INTO stock_receipts (sku, reference, quantity, reason, counted, at) VALUES
			('tea', 'r-1', 10, NULL, NULL, '2026-01-01'), ('tea', 'r-2', 5, NULL, NULL, '2026-01-02'), ('tea', 'a-1', 3, 'returned', NULL, '2026-01-03'),
			('tea', 'a-2', -4, 'lost', NULL, '2026-01-04'), ('tea', 'a-3', -3, 'stock_take', 11, '2026-01-05'), ('tea', 'a-4', 0, 'stock_take', 11, '2026-01-06'),
			('mug', 'r-1', 2, NULL, NULL, '2026-01-01'), ('mug', 'a-1', -2, 'damaged', NULL, '2026-01-02'),
			('pot', 'r-1', 5, NULL, NULL, '2026-01-01')`,
		`INSERT INTO watermarks (name, order_id, at) VALUES ('audit', uuid_at(now()), '2026-01-04')
			ON CONFLICT (name) DO UPDATE SET at = EXCLUDED.at`,
		`INSERT INTO audit_stock_sums (sku, received, deducted, released)
			SELECT sku, sum(quantity), 0, 0 FROM stock_receipts WHERE at <= '2026-01-04' GROUP BY sku`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}

	for dbtest.Count(t, pool, `SELECT max(version) FROM orders_migrations`) > beforeAdjustments {
		if err := down(context.WithoutCancel(t.Context()), url, false); err != nil {
			t.Fatal(err)
		}
	}

	for sql, want := range map[string]int{
		`SELECT count(*) FROM products AS p WHERE available <> (SELECT coalesce(sum(quantity), 0) FROM stock_receipts WHERE sku = p.sku)`: 0,
		`SELECT count(*) FROM audit_stock_sums AS s WHERE received <>
			(SELECT coalesce(sum(quantity), 0) FROM stock_receipts WHERE sku = s.sku AND at <= '2026-01-04')`: 0,
		`SELECT quantity FROM stock_receipts WHERE sku = 'tea' AND reference = 'r-1'`: 10,
		`SELECT quantity FROM stock_receipts WHERE sku = 'tea' AND reference = 'r-2'`: 1,
		`SELECT count(*) FROM stock_receipts WHERE sku = 'tea'`:                       2,
		`SELECT count(*) FROM stock_receipts WHERE sku = 'mug'`:                       0,
		`SELECT count(*) FROM stock_receipts WHERE sku = 'pot'`:                       1,
	} {
		if got := dbtest.Count(t, pool, sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}
}
