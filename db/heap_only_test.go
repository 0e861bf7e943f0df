package db_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/catalogue"
	"orders/db/dbtest"
	"orders/order"
)

// Every order changes the stock of its products. Such a change must not write to an index: so
// no index, and no condition of one, may have a column that changes with the stock.
func TestAChangeOfStockIsHeapOnly(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)

	err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		return catalogue.Add(t.Context(), tx, order.Product{SKU: "tea", Name: "Tea", Currency: "EUR", Available: 5}, "first")
	})
	if err != nil {
		t.Fatal(err)
	}

	err = db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		if _, _, err := catalogue.Book(t.Context(), tx, catalogue.Receipt{SKU: "tea", Reference: "second", Quantity: 1}); err != nil {
			return err
		}

		const updated, heapOnly = `SELECT pg_stat_get_xact_tuples_updated('products'::regclass)`, `SELECT pg_stat_get_xact_tuples_hot_updated('products'::regclass)`

		if n := dbtest.Count(t, tx, updated); n == 0 || n != dbtest.Count(t, tx, heapOnly) {
			t.Errorf("%d tuples were updated, %d of them heap-only", n, dbtest.Count(t, tx, heapOnly))
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
