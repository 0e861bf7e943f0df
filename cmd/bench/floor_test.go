package main

import (
	"testing"

	"orders/db/dbtest"
)

func TestFloorDoesAllEffects(t *testing.T) {
	t.Parallel()

	const orders = 600 // more than two batches

	url := dbtest.URL(t)
	pool := stocked(t, url, 20, 10_000)

	rate, err := floor(t.Context(), url, orders)
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
		`SELECT sum(available) FROM products`:                        20*10_000 - 2*orders,
		`SELECT count(*) FROM river_job`:                             0,
	} {
		if got := countRows(t, pool, sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
}

// An order that is not confirmed is no work done.
func TestFloorRefusesWorkThatWasNotDone(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	stocked(t, url, 1, 5)

	if rate, err := floor(t.Context(), url, 10); err == nil {
		t.Errorf("ten orders of five pieces: %f orders/s", rate)
	}

	if rate, err := floor(t.Context(), dbtest.URL(t), 10); err == nil {
		t.Errorf("no products: %f orders/s", rate)
	}
}
