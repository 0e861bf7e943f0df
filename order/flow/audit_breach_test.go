package flow_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"orders/db/audit"
	"orders/order/ordertest"
)

// noOrder is the id of an order that does not exist.
const noOrder = "7d0f9d1e-58f4-4a39-8f3c-2f4f4c1b0000"

// Each of these is done by hand to a clean history. $1 is the order of that name.
var breaks = []struct {
	name, invariant string
	order           string
	sql             string
	subject         string // empty for the order
	detail          string // a part of it
}{
	{"more available than there is", "stock-balance", "", `UPDATE products SET available = available + 1 WHERE sku = 'tea'`, "tea", "available 97, should be 96"},
	{"available below zero", "stock-balance", "", `ALTER TABLE products DROP CONSTRAINT products_available_check; UPDATE products SET available = -1 WHERE sku = 'pot'`, "pot", "available -1"},
	{"a receipt without stock", "stock-balance", "", `INSERT INTO stock_receipts (sku, reference, quantity) VALUES ('pot', 'r', 7)`, "pot", "received 7"},
	{"an adjustment without stock", "stock-balance", "", `INSERT INTO stock_receipts (sku, reference, quantity, reason) VALUES ('pot', 'a', 7, 'returned')`, "pot", "received 7"},
	{"a deduct of another quantity", "stock-balance", "confirmed", `UPDATE stock_movements SET quantity = 9 WHERE order_id = $1 AND sku = 'tea'`, "tea", "deducted"},
	{"a movement of no product", "stock-balance", "confirmed", `INSERT INTO stock_movements (order_id, sku, kind, quantity) VALUES ($1, 'ghost', 'deduct', 1)`, "ghost", "no such product"},

	{"a balance too high", "points-balance", "", `UPDATE points_balances SET balance = balance + 5`, "u-1", "balance 25, should be 20"},
	{"a balance lost", "points-balance", "", `DELETE FROM points_balances`, "u-1", "balance none"},
	{"an entry too many", "points-balance", "pending", `INSERT INTO points_entries (order_id, kind, user_id, points) VALUES ($1, 'earn', 'u-2', 10)`, "u-2", "balance none, should be 10"},

	{"confirmed without its deducts", "stock-taken", "confirmed", `DELETE FROM stock_movements WHERE order_id = $1`, "", "mug: ordered 1, deducted 0"},
	{"awaiting payment without a deduct", "stock-taken", "awaiting", `DELETE FROM stock_movements WHERE order_id = $1`, "", "awaiting_payment, but tea"},
	{"confirmed with too much", "stock-taken", "confirmed", `UPDATE stock_movements SET quantity = 9 WHERE order_id = $1 AND sku = 'tea'`, "", "tea: ordered 2, deducted 9"},
	{"confirmed and given back", "stock-taken", "confirmed", `INSERT INTO stock_movements (order_id, sku, kind, quantity) VALUES ($1, 'tea', 'release', 2)`, "", "released 2"},
	{"confirmed with a line it does not have", "stock-taken", "paid", `INSERT INTO stock_movements (order_id, sku, kind, quantity) VALUES ($1, 'mug', 'deduct', 1)`, "", "mug: ordered 0, deducted 1"},

	{"confirmed with voided points", "steps-done", "confirmed", `UPDATE points_entries SET points = 0 WHERE order_id = $1`, "", "the points step is due, but was undone"},
	{"confirmed with points taken back", "steps-done", "confirmed", `INSERT INTO points_entries (order_id, kind, user_id, points) VALUES ($1, 'reverse', 'u-1', -10)`, "", "the points step is due, but was undone"},
	{"confirmed and notified of an end", "steps-done", "confirmed", `INSERT INTO notifications (order_id, template, user_id, body) VALUES ($1, 'expired', 'u-1', 'x')`, "", "notified expired, but the order is confirmed"},

	{"stock not given back", "ends-net-to-zero", "cancelled", `DELETE FROM stock_movements WHERE order_id = $1 AND kind = 'release'`, "", "tea: deducted 3, released 0"},
	{"more given back than taken", "ends-net-to-zero", "withdrawn", `INSERT INTO stock_movements (order_id, sku, kind, quantity) VALUES ($1, 'tea', 'release', 4)`, "", "deducted 0, released 4"},
	{"points not taken back", "ends-net-to-zero", "cancelled", `DELETE FROM points_entries WHERE order_id = $1 AND kind = 'reverse'`, "", "the points step was not undone"},
	{"points earned after the end", "ends-net-to-zero", "withdrawn", `UPDATE points_entries SET points = 10 WHERE order_id = $1`, "", "the points step was not undone"},
	{"not notified of the end", "ends-net-to-zero", "expired", `DELETE FROM notifications WHERE order_id = $1 AND template = 'expired'`, "", "not notified expired"},
	{"notified of the end only", "ends-net-to-zero", "rejected", `DELETE FROM notifications WHERE order_id = $1 AND template = 'created'`, "", "the notification step may still happen"},
	{"rejected by hand", "ends-net-to-zero", "confirmed", `UPDATE orders SET status = 'rejected' WHERE id = $1`, "", "rejected, but"},
	{"cancelled by hand", "ends-net-to-zero", "confirmed", `UPDATE orders SET status = 'cancelled' WHERE id = $1`, "", "cancelled, but"},
	{"expired by hand", "ends-net-to-zero", "confirmed", `UPDATE orders SET status = 'expired' WHERE id = $1`, "", "expired, but"},
	{"failed by hand", "ends-net-to-zero", "confirmed", `UPDATE orders SET status = 'failed' WHERE id = $1`, "", "failed, but"},

	{"pending without a job", "open-steps", "pending", `DELETE FROM river_job WHERE args->>'order_id' = $1::text`, "", "pending, but nothing will do: inventory, notification, points"},
	{"pending with jobs that have ended", "open-steps", "pending", `UPDATE river_job SET state = 'completed', finalized_at = now() WHERE args->>'order_id' = $1::text`, "", "nothing will do: inventory, notification, points"},
	{
		"past its hold without a job", "open-steps", "awaiting", `
		DELETE FROM river_job WHERE args->>'order_id' = $1::text;
		UPDATE orders SET hold_until = now() - interval '1 second' WHERE id = $1`, "", "nothing will do: expire, notification",
	},
	{"confirmed without points or a job", "open-steps", "confirmed", `DELETE FROM points_entries WHERE order_id = $1`, "", "nothing will do: points"},
	{"paid without points or a job", "open-steps", "paid", `DELETE FROM points_entries WHERE order_id = $1`, "", "nothing will do: points"},
	{"confirmed without a message or a job", "open-steps", "confirmed", `DELETE FROM notifications WHERE order_id = $1`, "", "nothing will do: notification"},
	{"confirmed without its stock or a job", "open-steps", "confirmed", `DELETE FROM stock_movements WHERE order_id = $1`, "", "nothing will do: inventory"},
	{
		"a dead letter that is closed", "open-steps", "confirmed", `
		INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, resolved_at, resolution)
		SELECT 1, 'points', 'points', $1, '{}', '[]', 'x', 10, 'unknown', 'x', now(), 'applied';
		DELETE FROM points_entries WHERE order_id = $1`, "", "nothing will do: points",
	},

	{"paid without being held", "payments", "confirmed", `INSERT INTO payments (order_id, reference) VALUES ($1, 'x')`, "", "never held"},
	{"held and confirmed without a payment", "payments", "paid", `DELETE FROM payments WHERE order_id = $1`, "", "not paid"},
	{"expired although it was paid", "payments", "expired", `INSERT INTO payments (order_id, reference) VALUES ($1, 'x')`, "", "expired, but nobody is told"},
	{"awaiting a payment that it has", "payments", "awaiting", `INSERT INTO payments (order_id, reference) VALUES ($1, 'x')`, "", "awaiting_payment, but paid"},
	{"paid with another amount", "payments", "paid", `UPDATE payments SET amount = 1, currency = 'EUR'`, "", "paid 1 EUR, but its total is 100 EUR"},

	{"a sweep that fails for ever", "sweeps-succeed", "", `INSERT INTO sweeps (name, ran_at, failed_at, failures, error) VALUES ('give_up_orders', now(), now(), 3, 'x')`, "give_up_orders", "failed 3 times in sequence"},

	{"a key without its order", "idempotency-keys", "", `UPDATE idempotency_keys SET order_id = gen_random_uuid()`, "orders/key-1", "does not exist"},
	{"two keys of one order", "idempotency-keys", "", `INSERT INTO idempotency_keys SELECT scope, 'key/2', request_hash, order_id, created_at FROM idempotency_keys`, "orders/key/2", "has 2 keys"},
	{"a key for an order of another time", "idempotency-keys", "pending", `INSERT INTO idempotency_keys (scope, key, request_hash, order_id) VALUES ('orders', 'key-2', '', $1)`, "orders/key-2", "was placed at"},

	{"a movement without an order", "ledgers-have-orders", "", `INSERT INTO stock_movements (order_id, sku, kind, quantity) VALUES ('` + noOrder + `', 'tea', 'deduct', 0)`, noOrder, "rows in stock_movements"},
	{"points without an order", "ledgers-have-orders", "", `INSERT INTO points_entries (order_id, kind, user_id, points) VALUES ('` + noOrder + `', 'earn', 'u-1', 0)`, noOrder, "rows in points_entries"},
	{"messages without an order", "ledgers-have-orders", "", `INSERT INTO notifications (order_id, template, user_id, body) VALUES ('` + noOrder + `', 'created', 'u-1', 'x'), ('` + noOrder + `', 'failed', 'u-1', 'x')`, noOrder, "rows in notifications"},
	{"a payment without an order", "ledgers-have-orders", "", `INSERT INTO payments (order_id, reference) VALUES ('` + noOrder + `', 'x')`, noOrder, "rows in payments"},
}

//nolint:paralleltest,tparallel // they share a database, each in a transaction that it rolls back
func TestAuditFindsEachBreach(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100, "mug": 100, "pot": 0})
	orders := history(b)
	broken := map[string]bool{}

	for _, test := range breaks {
		broken[test.invariant] = true

		t.Run(test.invariant+"/"+test.name, func(t *testing.T) {
			tx, err := b.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(context.WithoutCancel(t.Context()))

			subject := test.subject
			if subject == "" {
				subject = orders[test.order].String()
			}

			if _, err := tx.Exec(t.Context(), strings.ReplaceAll(test.sql, "$1", "'"+orders[test.order].String()+"'")); err != nil {
				t.Fatal(err)
			}

			full, err := ordertest.CheckAll(t.Context(), tx, 0)
			if err != nil {
				t.Fatal(err)
			}

			increment, err := audit.Next(t.Context(), tx, audit.Options{})
			if err != nil {
				t.Fatal(err)
			}

			for mode, violations := range map[string][]audit.Violation{"full": full, "incremental": increment.Violations} {
				if !slices.ContainsFunc(violations, func(v audit.Violation) bool {
					return v.Invariant == test.invariant && v.Subject == subject && strings.Contains(v.Detail, test.detail)
				}) {
					t.Errorf("%s audit does not find %s (%q): %+v", mode, subject, test.detail, violations)
				}
			}
		})
	}

	for _, i := range audit.Invariants() {
		if !broken[i.Name] {
			t.Errorf("nothing breaks %s", i.Name)
		}
	}
}
