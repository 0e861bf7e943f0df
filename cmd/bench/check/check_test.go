package check_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/bench/baseline"
	"orders/cmd/bench/check"
	"orders/cmd/bench/database"
	"orders/cmd/bench/load"
	"orders/cmd/bench/scenario"
	"orders/db/dbtest"
	"orders/db/schema"
	"orders/order"
)

func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }

// settled makes a database with settled orders.
func settled(t *testing.T, orders int) (*pgxpool.Pool, *load.Result) {
	t.Helper()

	pool := dbtest.Pool(t)
	if err := scenario.Prepare(t.Context(), pool, scenario.Scenario{}); err != nil {
		t.Fatal(err)
	}

	start := time.Now().Truncate(time.Millisecond) // as in ids

	ids, err := baseline.Place(t.Context(), pool, load.Spread, orders)
	if err == nil {
		err = baseline.Settle(t.Context(), pool, ids)
	}

	if err != nil {
		t.Fatal(err)
	}

	return pool, &load.Result{Start: start, Accepted: ids, Statuses: map[order.Status]int{order.Confirmed: orders}}
}

// TestOrders shows that a run whose work was not done gives no figures.
func TestOrders(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct{ undo, want string }{
		"nothing undone": {`SELECT`, ""},
		"order lost":     {`ALTER TABLE order_lines DROP CONSTRAINT IF EXISTS order_lines_order_id_fkey; DELETE FROM order_lines; DELETE FROM orders`, "of 20 accepted orders, 20 are missing"},
		"order too many": {`INSERT INTO orders SELECT uuid_at(now()), 'u-1', 'confirmed', '', 'EUR', 1, NULL, now(), now()`, "map[confirmed:21], want map[confirmed:20]"},
		"other order":    {`ALTER TABLE order_lines DROP CONSTRAINT IF EXISTS order_lines_order_id_fkey; UPDATE orders SET id = uuid_at(now()) WHERE id = (SELECT max(id::text)::uuid FROM orders)`, "1 are missing"},
		"line lost":      {`DELETE FROM order_lines WHERE (order_id, sku) IN (SELECT order_id, sku FROM order_lines LIMIT 1)`, "there are 39 lines, want 40"},
		"status":         {`UPDATE orders SET status = 'pending'`, "map[pending:20], want map[confirmed:20]"},
		"stock":          {`UPDATE products SET available = available + 1 WHERE sku = 'sku-3'`, "stock-balance: sku-3: available 1000000001"},
		"deduct":         {`DELETE FROM stock_movements`, "stock-"},
		"points":         {`DELETE FROM points_entries; DELETE FROM points_balances`, "nothing will do: points"},
		"balance":        {`UPDATE points_balances SET balance = 0`, "points-balance: "},
		"notification":   {`DELETE FROM notifications`, "nothing will do: notification"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool, result := settled(t, 20)
			if err := database.Exec(t.Context(), pool, c.undo); err != nil {
				t.Fatal(err)
			}

			err := check.Orders(t.Context(), pool, load.Spread, result)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("check = %v, want %q", err, c.want)
			}
		})
	}
}

// TestSecondRunInADatabase checks what is new, and what a run before has done is not in its way.
func TestSecondRunInADatabase(t *testing.T) {
	t.Parallel()

	pool, first := settled(t, 20)
	if err := check.Orders(t.Context(), pool, load.Spread, first); err != nil {
		t.Fatal(err)
	}

	time.Sleep(2 * time.Millisecond) // ids sort by milliseconds

	start := time.Now().Truncate(time.Millisecond) // as in ids

	ids, err := baseline.Place(t.Context(), pool, load.Spread, 10)
	if err != nil {
		t.Fatal(err)
	}

	second := &load.Result{Start: start, Accepted: ids, Statuses: map[order.Status]int{order.Pending: 10}}
	if err := check.Orders(t.Context(), pool, load.Spread, second); err != nil {
		t.Errorf("orders whose jobs wait: %v", err)
	}

	// Without jobs, the orders stay as they are.
	if err := database.Exec(t.Context(), pool, `TRUNCATE river_job`); err != nil {
		t.Fatal(err)
	}

	if err := check.Orders(t.Context(), pool, load.Spread, second); err == nil || !strings.Contains(err.Error(), ids[len(ids)-1].String()) {
		t.Errorf("check = %v", err)
	}
}

// TestAnIdMayBeBehind has an order whose id says a moment before the run, as the clock of the
// service differs a little from the database's.
func TestAnIdMayBeBehind(t *testing.T) {
	t.Parallel()

	pool, result := settled(t, 1)

	result.Start = time.Now().Add(time.Second)
	if err := database.Exec(t.Context(), pool, `UPDATE orders SET created_at = now() + interval '1 s'`); err != nil {
		t.Fatal(err)
	}

	if err := check.Orders(t.Context(), pool, load.Spread, result); err != nil {
		t.Error(err)
	}
}

// TestUnknownOrders has an order whose request was answered 503 after it was placed.
func TestUnknownOrders(t *testing.T) {
	t.Parallel()

	pool, result := settled(t, 2)

	_, err := pool.Exec(t.Context(), `
		INSERT INTO idempotency_keys (scope, key, request_hash, order_id, created_at)
		SELECT 'orders', 'late', '', id, created_at FROM orders WHERE id = $1`, result.Accepted[1])
	if err != nil {
		t.Fatal(err)
	}

	result.Accepted, result.Statuses = result.Accepted[:1], map[order.Status]int{order.Confirmed: 1}
	result.Unknown = map[string]order.Status{"late": order.Confirmed, "never": order.Confirmed}

	if err := check.Orders(t.Context(), pool, load.Spread, result); err != nil {
		t.Error(err)
	}
}
