package scenario_test

import (
	"testing"
	"time"

	"orders/cmd/bench/baseline"
	"orders/cmd/bench/load"
	"orders/cmd/bench/scenario"
	"orders/db/dbtest"
)

// Of some orders the first run of the notification fails, and only that: the
// others of their batches do not mind, and the second run gets through.
func TestNotificationsFailAtFirst(t *testing.T) {
	t.Parallel()

	const orders = 300

	pool := dbtest.Pool(t)

	slow, err := scenario.Choose([]string{"slow"}, scenario.Durations{})
	if err != nil {
		t.Fatal(err)
	}

	if err := scenario.Prepare(t.Context(), pool, slow[0]); err != nil {
		t.Fatal(err)
	}

	start := time.Now().Truncate(time.Millisecond) // as in ids

	ids, err := baseline.Place(t.Context(), pool, load.Spread, orders)
	if err != nil {
		t.Fatal(err)
	}

	workOff(t, pool)

	checkOrders(t, pool, start, ids)

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
