package flow_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/audit"
	"orders/order"
	"orders/order/ordertest"
)

// history makes an order of each kind that there may be, by name.
func history(b *ordertest.Bundle) map[string]uuid.UUID {
	b.T.Helper()

	keyed := ordertest.Placement("key-1", ordertest.Line("tea", 2), ordertest.Line("mug", 1))
	if _, err := b.Place.Do(b.T.Context(), keyed); err != nil {
		b.T.Fatal(err)
	}

	o := map[string]uuid.UUID{
		"confirmed": keyed.OrderID,
		"paid":      b.Held(time.Hour, ordertest.Line("tea", 1)),
		"rejected":  b.Order(ordertest.Line("tea", 1), ordertest.Line("mug", 1_000)),
		"cancelled": b.Order(ordertest.Line("tea", 3)),
		"withdrawn": b.Order(ordertest.Line("tea", 4)),
		"expired":   b.Held(-time.Second, ordertest.Line("mug", 1)),
	}

	if _, err := b.Cancel(o["withdrawn"], "before anything was done"); err != nil {
		b.T.Fatal(err)
	}

	ids := []uuid.UUID{o["confirmed"], o["paid"], o["rejected"], o["cancelled"], o["withdrawn"], o["expired"]}
	b.Apply(order.Inventory, ids...)
	b.Apply(order.Points, o["confirmed"], o["rejected"], o["cancelled"], o["withdrawn"])
	b.Apply(order.Notification, ids...)

	if _, err := b.Cancel(o["cancelled"], "changed my mind"); err != nil {
		b.T.Fatal(err)
	}

	if _, err := b.Pay(o["paid"], "pay-1"); err != nil {
		b.T.Fatal(err)
	}

	b.Apply(order.Points, o["paid"])
	b.Expire(o["expired"])
	b.Exec(`UPDATE river_job SET state = 'completed', finalized_at = now()`)

	o["pending"] = b.Order(ordertest.Line("tea", 1))
	o["awaiting"] = b.Held(time.Hour, ordertest.Line("tea", 1))
	b.Apply(order.Inventory, o["awaiting"])

	return o
}

// auditOn audits what is new, at most limit orders a step.
func auditOn(b *ordertest.Bundle, grace time.Duration, limit int) (violations []audit.Violation, steps []audit.Increment) {
	b.T.Helper()

	for again := true; ; again = false {
		var step audit.Increment

		b.InTx(func(tx pgx.Tx) (err error) {
			step, err = audit.Next(b.T.Context(), tx, audit.Options{Grace: grace, Limit: limit, Again: again})

			return err
		})

		violations, steps = append(violations, step.Violations...), append(steps, step)
		if step.Done {
			return violations, steps
		}
	}
}

// modes are the two ways to audit.
var modes = map[string]func(*ordertest.Bundle) []audit.Violation{
	"full": (*ordertest.Bundle).Violations,
	"incremental": func(b *ordertest.Bundle) []audit.Violation {
		violations, _ := auditOn(b, 0, 0)

		return violations
	},
}

func TestAuditOfACleanHistoryFindsNothing(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100, "mug": 100, "pot": 0})
	history(b)

	for name, audit := range modes {
		for range 2 {
			if violations := audit(b); len(violations) > 0 {
				t.Errorf("%s: %+v", name, violations)
			}
		}
	}
}

// A step that has a live job, or waits for an operator, is no violation.
func TestAuditLeavesWhatHasNotSettled(t *testing.T) {
	t.Parallel()

	for name, sql := range map[string]string{
		"a job that waits for its retry": `
			UPDATE river_job SET state = 'retryable', finalized_at = NULL WHERE kind = 'points'`,
		"a job that runs": `
			UPDATE river_job SET state = 'running', finalized_at = NULL WHERE kind = 'points'`,
		"an open dead letter": `
			INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature)
			SELECT id, kind, kind, (args->>'order_id')::uuid, args, '[]', 'x', 10, 'unknown', 'x' FROM river_job WHERE kind = 'points'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 100, "mug": 100})
			orders := history(b)
			b.Exec(`DELETE FROM points_entries WHERE order_id = $1`, orders["confirmed"])
			b.Exec(`UPDATE points_balances SET balance = balance - 10`)
			b.Exec(sql)

			for name, audit := range modes {
				if violations := audit(b); len(violations) > 0 {
					t.Errorf("%s: %+v", name, violations)
				}
			}

			// It does not forget them either: what was to do the work goes away behind the watermark.
			b.Exec(`DELETE FROM river_job WHERE kind = 'points'`)
			b.Exec(`DELETE FROM dead_letters`)

			violations, _ := auditOn(b, 0, 0)
			if len(violations) != 2 || violations[0].Subject != orders["confirmed"].String() || violations[1].Subject != orders["pending"].String() ||
				violations[0].Invariant != "open-steps" || violations[1].Invariant != "open-steps" {
				t.Errorf("then: %+v", violations)
			}
		})
	}
}

func TestAuditGraceLeavesYoungOrders(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100, "mug": 100})
	orders := history(b)
	b.Exec(`DELETE FROM river_job`)
	b.Exec(`DELETE FROM notifications WHERE order_id = $1`, orders["confirmed"])

	young, err := ordertest.CheckAll(t.Context(), b.Pool, time.Minute)
	if err != nil || len(young) > 0 {
		t.Errorf("%+v, %v", young, err)
	}

	if violations, steps := auditOn(b, time.Minute, 0); len(violations) > 0 || len(steps) != 1 || steps[0].Orders > 0 {
		t.Errorf("%+v, %+v", violations, steps)
	}
}

// An order that was passed and moves later is seen again.
func TestAuditSeesLaterMoves(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100, "mug": 100})
	orders := history(b)

	if violations, _ := auditOn(b, 0, 0); len(violations) > 0 {
		t.Fatalf("%+v", violations)
	}

	for _, name := range []string{"confirmed", "awaiting", "pending"} {
		if _, err := b.Cancel(orders[name], "late"); err != nil {
			t.Fatal(err)
		}
	}

	b.Exec(`DELETE FROM notifications WHERE template = 'cancelled' AND order_id = ANY($1)`,
		[]uuid.UUID{orders["confirmed"], orders["awaiting"], orders["pending"]})

	violations, steps := auditOn(b, 0, 0)
	if len(violations) != 3 || steps[0].Orders > 5 {
		t.Errorf("%+v, %+v", violations, steps)
	}
}

func TestAuditFindingsLast(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100, "mug": 100})
	orders := history(b)

	findings := func() []audit.Finding {
		t.Helper()

		list, err := audit.Findings(t.Context(), b.Pool, nil, 100)
		if err != nil {
			t.Fatal(err)
		}

		return list
	}

	b.Exec(`UPDATE products SET available = available + 1 WHERE sku = 'tea'`)
	b.Exec(`UPDATE points_balances SET balance = balance + 1`)
	b.Exec(`UPDATE idempotency_keys SET key = 'other', order_id = $1`, orders["pending"])
	b.Exec(`DELETE FROM notifications WHERE order_id = $1`, orders["rejected"])
	b.Exec(`INSERT INTO payments (order_id, reference) VALUES ($1, 'x')`, noOrder)

	auditOn(b, 0, 0)

	first := findings()
	if len(first) != 5 {
		t.Fatalf("%+v", first)
	}

	auditOn(b, 0, 0) // nothing is new

	for n, f := range findings() {
		if f.ResolvedAt != nil || !f.FirstSeen.Equal(first[n].FirstSeen) || !f.LastSeen.After(first[n].LastSeen) {
			t.Errorf("seen again: %+v, was %+v", f, first[n])
		}
	}

	b.Exec(`UPDATE products SET available = available - 1 WHERE sku = 'tea'`)
	b.Exec(`UPDATE points_balances SET balance = balance - 1`)
	b.Exec(`DELETE FROM idempotency_keys`)
	b.Exec(`DELETE FROM payments WHERE reference = 'x'`)
	b.Apply(order.Notification, orders["rejected"])
	b.InTx(func(tx pgx.Tx) error {
		_, err := db.Notify(t.Context(), tx, []db.Notice{{OrderID: orders["rejected"], Template: order.NoticeRejected}})

		return err
	})

	if violations, _ := auditOn(b, 0, 0); len(violations) > 0 {
		t.Errorf("repaired: %+v", violations)
	}

	for _, f := range findings() {
		if f.ResolvedAt == nil {
			t.Errorf("repaired, but open: %+v", f)
		}
	}

	b.Exec(`UPDATE products SET available = available + 1 WHERE sku = 'tea'`)
	auditOn(b, 0, 0)

	if f := findings()[0]; f.Subject != "tea" || f.ResolvedAt != nil || f.FirstSeen.Equal(first[len(first)-1].FirstSeen) {
		t.Errorf("broken anew: %+v", f)
	}
}

// An audit that leaves young orders out does not resolve what an audit without grace has found of them.
func TestAFindingIsResolvedOnlyWhenItIsMended(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	id := b.Order(ordertest.Line("tea", 1))
	b.Exec(`DELETE FROM river_job WHERE kind = 'points'`)

	full := func(grace time.Duration) (open int64) {
		t.Helper()

		b.InTx(func(tx pgx.Tx) error {
			for _, i := range audit.Invariants() {
				found, err := i.Check(t.Context(), tx, grace, nil)
				if err != nil {
					return err
				}

				if err := i.RecordCheck(t.Context(), tx, found); err != nil {
					return err
				}
			}

			return nil
		})

		findings, err := audit.OpenFindings(t.Context(), b.Pool)
		if err != nil {
			t.Fatal(err)
		}

		return findings["open-steps"]
	}

	if open := full(0); open != 1 {
		t.Fatalf("%d open findings", open)
	}

	if open := full(time.Hour); open != 1 {
		t.Errorf("%d open findings after a full audit with a grace", open)
	}

	auditOn(b, time.Hour, 0)

	if n := b.Count(`SELECT count(*) FROM audit_findings WHERE resolved_at IS NULL`); n != 1 {
		t.Errorf("%d open findings after an incremental audit with a grace", n)
	}

	b.Apply(order.Points, id)

	if open := full(time.Hour); open != 0 {
		t.Errorf("%d open findings after the step was done", open)
	}
}

// A full audit records what it finds, and corrects the sums that the incremental audit uses.
func TestRecordCheck(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100, "mug": 100})
	history(b)
	auditOn(b, 0, 0)
	b.Exec(`UPDATE audit_stock_sums SET deducted = deducted + 1 WHERE sku = 'tea'`)

	if violations, _ := auditOn(b, 0, 0); len(violations) != 1 {
		t.Errorf("wrong sums: %+v", violations)
	}

	b.InTx(func(tx pgx.Tx) error {
		for _, i := range audit.Invariants() {
			found, err := i.Check(t.Context(), tx, 0, nil)
			if err != nil {
				return err
			}

			if err := i.RecordCheck(t.Context(), tx, found); err != nil {
				return err
			}
		}

		return audit.RebuildSums(t.Context(), tx)
	})

	if open, err := audit.OpenFindings(t.Context(), b.Pool); err != nil || len(open) > 0 {
		t.Errorf("open after a full audit: %v, %v", open, err)
	}

	if violations, _ := auditOn(b, 0, 0); len(violations) > 0 {
		t.Errorf("right sums: %+v", violations)
	}
}
