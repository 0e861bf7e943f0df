package main

import (
	"testing"

	"orders/db/dbtest"
)

// Of some orders the first run of the notification fails, and only that: the
// others of their batches do not mind, and the second run gets through.
func TestNotificationsFailAtFirst(t *testing.T) {
	t.Parallel()

	const orders = 300

	pool := dbtest.Pool(t)

	if err := stock(t.Context(), pool, spread); err != nil {
		t.Fatal(err)
	}

	if err := failNotifications(t.Context(), pool); err != nil {
		t.Fatal(err)
	}

	ids, err := floorOrders(t.Context(), pool, orders)
	if err != nil {
		t.Fatal(err)
	}

	workOff(t, pool, orders)

	if err := checkFloor(t.Context(), pool, ids); err != nil {
		t.Error(err)
	}

	chosen := countRows(t, pool, `SELECT count(*) FROM orders WHERE hashtext(id::text) % 20 = 0`)
	if chosen == 0 {
		t.Error("no order was to fail")
	}

	for sql, want := range map[string]int{
		`SELECT count(*) FROM river_job AS j
		WHERE attempt = 2
			AND kind = 'notification'
			AND cardinality(errors) = 1
			AND hashtext(args->>'order_id') % 20 = 0`: chosen,
		`SELECT count(*) FROM river_job WHERE attempt > 1 OR errors IS NOT NULL`: chosen,
	} {
		if got := countRows(t, pool, sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
}
