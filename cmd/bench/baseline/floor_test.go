package baseline_test

import (
	"testing"

	"orders/cmd/bench/baseline"
	"orders/db/dbtest"
)

func TestFloorDoesAllEffects(t *testing.T) {
	t.Parallel()

	const orders = 600 // more than two batches

	pool := stocked(t, dbtest.URL(t), "10000")

	rate, err := baseline.Floor(t.Context(), pool, orders)
	if err != nil {
		t.Fatal(err)
	}

	if rate <= 0 {
		t.Errorf("rate is %f", rate)
	}

	for sql, want := range map[string]int{
		`SELECT count(*) FROM orders WHERE status = 'confirmed'`:     orders,
		`SELECT count(*) FROM points_entries WHERE kind = 'earn'`:    orders,
		`SELECT sum(balance) FROM points_balances`:                   10 * orders,
		`SELECT count(*) FROM notifications`:                         orders,
		`SELECT count(*) FROM stock_movements WHERE kind = 'deduct'`: 2 * orders,
		`SELECT sum(available) FROM products`:                        1000*10_000 - 2*orders,
		`SELECT count(*) FROM river_job`:                             0,
	} {
		if got := countRows(t, pool, sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
}

// An order that is not confirmed is no work done.
func TestFloorFailsOnWorkThatWasNotDone(t *testing.T) {
	t.Parallel()

	if rate, err := baseline.Floor(t.Context(), stocked(t, dbtest.URL(t), "1"), 600); err == nil {
		t.Errorf("600 orders of two pieces, of 1000 pieces: %f orders/s", rate)
	}

	if rate, err := baseline.Floor(t.Context(), dbtest.Pool(t), 10); err == nil {
		t.Errorf("no products: %f orders/s", rate)
	}
}
