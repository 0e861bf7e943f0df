package flow_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
	"orders/order/flow"
)

// history makes an order of each kind that there may be, by name.
func (b *bundle) history() map[string]uuid.UUID {
	b.t.Helper()

	keyed := placement("key-1", line("tea", 2), line("mug", 1))
	if _, err := b.place.Do(b.t.Context(), keyed); err != nil {
		b.t.Fatal(err)
	}

	o := map[string]uuid.UUID{
		"confirmed": keyed.OrderID,
		"paid":      b.held(time.Hour, line("tea", 1)),
		"rejected":  b.order(line("tea", 1), line("mug", 1_000)),
		"cancelled": b.order(line("tea", 3)),
		"withdrawn": b.order(line("tea", 4)),
		"expired":   b.held(-time.Second, line("mug", 1)),
	}

	if _, err := b.cancel(o["withdrawn"], "before anything was done"); err != nil {
		b.t.Fatal(err)
	}

	ids := []uuid.UUID{o["confirmed"], o["paid"], o["rejected"], o["cancelled"], o["withdrawn"], o["expired"]}
	b.run(flow.Reserve, ids...)
	b.run(flow.Award, o["confirmed"], o["rejected"], o["cancelled"], o["withdrawn"])
	b.run(notify, ids...)

	if _, err := b.cancel(o["cancelled"], "changed my mind"); err != nil {
		b.t.Fatal(err)
	}

	if _, err := b.pay(o["paid"], "pay-1"); err != nil {
		b.t.Fatal(err)
	}

	b.run(flow.Award, o["paid"])
	b.run(expire, o["expired"])
	b.exec(`UPDATE river_job SET state = 'completed', finalized_at = now()`)

	o["pending"] = b.order(line("tea", 1))
	o["awaiting"] = b.held(time.Hour, line("tea", 1))
	b.run(flow.Reserve, o["awaiting"])

	return o
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()

	if _, err := b.pool.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

// prove is an audit of the whole.
func (b *bundle) prove() []db.Violation {
	b.t.Helper()

	violations, err := db.Prove(b.t.Context(), b.pool, 0)
	if err != nil {
		b.t.Fatal(err)
	}

	return violations
}

// auditOn audits what is new, at most limit orders a step.
func (b *bundle) auditOn(grace time.Duration, limit int) (violations []db.Violation, steps []db.AuditStep) {
	b.t.Helper()

	for again := true; ; again = false {
		var step db.AuditStep

		b.inTx(func(tx pgx.Tx) (err error) {
			step, err = db.AuditNext(b.t.Context(), tx, db.AuditOptions{Grace: grace, Limit: limit, Again: again})

			return err
		})

		violations, steps = append(violations, step.Violations...), append(steps, step)
		if step.Done {
			return violations, steps
		}
	}
}

// modes are the two ways to audit.
var modes = map[string]func(*bundle) []db.Violation{
	"whole": (*bundle).prove,
	"incremental": func(b *bundle) []db.Violation {
		violations, _ := b.auditOn(0, 0)

		return violations
	},
}

func TestAuditOfACleanHistoryFindsNothing(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 100, "mug": 100, "pot": 0})
	b.history()

	for name, audit := range modes {
		for range 2 {
			if violations := audit(b); len(violations) > 0 {
				t.Errorf("%s: %+v", name, violations)
			}
		}
	}
}

// What is still being worked on, or waits for somebody, is no violation.
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

			b := setup(t, map[string]int64{"tea": 100, "mug": 100})
			orders := b.history()
			b.exec(`DELETE FROM points_entries WHERE order_id = $1`, orders["confirmed"])
			b.exec(`UPDATE points_balances SET balance = balance - 10`)
			b.exec(sql)

			for name, audit := range modes {
				if violations := audit(b); len(violations) > 0 {
					t.Errorf("%s: %+v", name, violations)
				}
			}

			// It does not forget them either: what was to do the work goes away behind the watermark.
			b.exec(`DELETE FROM river_job WHERE kind = 'points'`)
			b.exec(`DELETE FROM dead_letters`)

			violations, _ := b.auditOn(0, 0)
			if len(violations) != 2 || violations[0].Invariant != "no-orphans" || violations[1].Invariant != "steps-done" {
				t.Errorf("then: %+v", violations)
			}
		})
	}
}

func TestAuditGraceLeavesYoungOrders(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 100, "mug": 100})
	orders := b.history()
	b.exec(`DELETE FROM river_job`)
	b.exec(`DELETE FROM notifications WHERE order_id = $1`, orders["confirmed"])

	young, err := db.Prove(t.Context(), b.pool, time.Minute)
	if err != nil || len(young) > 0 {
		t.Errorf("%+v, %v", young, err)
	}

	if violations, steps := b.auditOn(time.Minute, 0); len(violations) > 0 || len(steps) != 1 || steps[0].Orders > 0 {
		t.Errorf("%+v, %+v", violations, steps)
	}
}

// An order that was passed and moves later is seen again.
func TestAuditSeesLaterMoves(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 100, "mug": 100})
	orders := b.history()

	if violations, _ := b.auditOn(0, 0); len(violations) > 0 {
		t.Fatalf("%+v", violations)
	}

	for _, name := range []string{"confirmed", "awaiting", "pending"} {
		if _, err := b.cancel(orders[name], "late"); err != nil {
			t.Fatal(err)
		}
	}

	b.exec(`DELETE FROM notifications WHERE template = 'cancelled' AND order_id = ANY($1)`,
		[]uuid.UUID{orders["confirmed"], orders["awaiting"], orders["pending"]})

	violations, steps := b.auditOn(0, 0)
	if len(violations) != 3 || steps[0].Orders > 5 {
		t.Errorf("%+v, %+v", violations, steps)
	}
}

func TestAuditFindingsLast(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 100, "mug": 100})
	orders := b.history()

	findings := func() []db.Finding {
		t.Helper()

		list, err := db.Findings(t.Context(), b.pool, nil, 100)
		if err != nil {
			t.Fatal(err)
		}

		return list
	}

	b.exec(`UPDATE products SET available = available + 1 WHERE sku = 'tea'`)
	b.exec(`UPDATE points_balances SET balance = balance + 1`)
	b.exec(`UPDATE idempotency_keys SET key = 'other', order_id = $1`, orders["pending"])
	b.exec(`DELETE FROM notifications WHERE order_id = $1`, orders["rejected"])
	b.exec(`INSERT INTO payments (order_id, reference) VALUES ($1, 'x')`, nobody)

	b.auditOn(0, 0)

	first := findings()
	if len(first) != 5 {
		t.Fatalf("%+v", first)
	}

	b.auditOn(0, 0) // nothing is new

	for n, f := range findings() {
		if f.ResolvedAt != nil || !f.FirstSeen.Equal(first[n].FirstSeen) || !f.LastSeen.After(first[n].LastSeen) {
			t.Errorf("seen again: %+v, was %+v", f, first[n])
		}
	}

	b.exec(`UPDATE products SET available = available - 1 WHERE sku = 'tea'`)
	b.exec(`UPDATE points_balances SET balance = balance - 1`)
	b.exec(`DELETE FROM idempotency_keys`)
	b.exec(`DELETE FROM payments WHERE reference = 'x'`)
	b.run(notify, orders["rejected"])
	b.inTx(func(tx pgx.Tx) error {
		_, err := db.Notify(t.Context(), tx, []db.Notice{{OrderID: orders["rejected"], Template: order.NoticeRejected}})

		return err
	})

	if violations, _ := b.auditOn(0, 0); len(violations) > 0 {
		t.Errorf("mended: %+v", violations)
	}

	for _, f := range findings() {
		if f.ResolvedAt == nil {
			t.Errorf("mended, but open: %+v", f)
		}
	}

	b.exec(`UPDATE products SET available = available + 1 WHERE sku = 'tea'`)
	b.auditOn(0, 0)

	if f := findings()[0]; f.Subject != "tea" || f.ResolvedAt != nil || f.FirstSeen.Equal(first[len(first)-1].FirstSeen) {
		t.Errorf("broken anew: %+v", f)
	}
}

// A whole audit records what it finds, and mends the sums that the incremental one goes by.
func TestRecordProof(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 100, "mug": 100})
	b.history()
	b.auditOn(0, 0)
	b.exec(`UPDATE audit_stock_sums SET deducted = deducted + 1 WHERE sku = 'tea'`)

	if violations, _ := b.auditOn(0, 0); len(violations) != 1 {
		t.Errorf("wrong sums: %+v", violations)
	}

	b.inTx(func(tx pgx.Tx) error {
		for _, i := range db.Invariants() {
			found, err := i.Prove(t.Context(), tx, 0, nil)
			if err != nil {
				return err
			}

			if err := db.RecordProof(t.Context(), tx, i.Name, found); err != nil {
				return err
			}
		}

		return db.SumUpStock(t.Context(), tx)
	})

	if open, err := db.OpenFindings(t.Context(), b.pool); err != nil || len(open) > 0 {
		t.Errorf("open after a proof: %v, %v", open, err)
	}

	if violations, _ := b.auditOn(0, 0); len(violations) > 0 {
		t.Errorf("right sums: %+v", violations)
	}
}
