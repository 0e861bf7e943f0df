package baseline_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/bench/database"
	"orders/db"
	"orders/db/dbtest"
	"orders/db/schema"
)

func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }

// stocked gives a database products with stock, as many as load.Spread orders from.
func stocked(t *testing.T, url, each string) *pgxpool.Pool {
	t.Helper()

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	if err := database.Exec(t.Context(), pool,
		`INSERT INTO products (sku, name, price, currency, available)
		SELECT 'sku-' || n, 'Product', 100, 'EUR', `+each+` FROM generate_series(0, 999) AS n`,
		`INSERT INTO stock_receipts (sku, reference, quantity) SELECT sku, 'test', available FROM products`,
	); err != nil {
		t.Fatal(err)
	}

	return pool
}

func countRows(t *testing.T, pool *pgxpool.Pool, sql string) (n int) {
	t.Helper()

	if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}

	return n
}

func eventually(t *testing.T, pool *pgxpool.Pool, want int, sql string) {
	t.Helper()

	for deadline := time.Now().Add(30 * time.Second); countRows(t, pool, sql) != want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d, want %d", sql, countRows(t, pool, sql), want)
		}
	}
}
