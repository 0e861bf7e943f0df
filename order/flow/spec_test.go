package flow_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
)

// Steps are declared in package order, done here and known to the database.
func TestEachStepHasASpec(t *testing.T) {
	t.Parallel()

	steps, specs := order.Steps(), flow.Specs()

	for i, step := range steps {
		if i >= len(specs) || specs[i].Name != step.Name {
			t.Fatalf("flow.Specs() has no Spec for the step %s at place %d", step.Name, i)
		}

		if specs[i].Apply == nil || specs[i].Revoke == nil {
			t.Errorf("the Spec of the step %s lacks Apply or Revoke", step.Name)
		}
	}

	if len(specs) != len(steps) {
		t.Errorf("flow.Specs() has %d Specs for %d steps: order.Steps() does not declare %s", len(specs), len(steps), specs[len(steps)].Name)
	}
}

func TestStepsAreDeclaredAlikeInSQL(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, nil)

	rows, err := b.Pool.Query(t.Context(), `SELECT name, template, due_in, after_payment, reversible FROM steps`)
	if err != nil {
		t.Fatal(err)
	}

	type row struct {
		Name         order.StepName
		Template     order.Template
		DueIn        []order.Status
		AfterPayment bool
		Reversible   bool
	}

	table, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		t.Fatal(err)
	}

	for _, step := range order.Steps() {
		want := row{step.Name, step.Template, step.DueIn, step.AfterPayment, step.Reversible}

		if !slices.ContainsFunc(table, func(got row) bool { return fmt.Sprint(got) == fmt.Sprint(want) }) {
			t.Errorf("the table steps has no row %+v; it has %+v", want, table)
		}
	}

	if len(table) != len(order.Steps()) {
		t.Errorf("the table steps has %d rows for %d declared steps", len(table), len(order.Steps()))
	}
}

// state is what a step has done: its ledger rows, the stock and the balance.
func state(b *ordertest.Bundle, step order.StepName) (s string) {
	b.T.Helper()

	err := b.Pool.QueryRow(b.T.Context(), `
		SELECT format('%s effects %s, stock %s, balance %s',
			count(*), jsonb_agg(detail ORDER BY detail), (SELECT sum(available) FROM products), (SELECT sum(balance) FROM points_balances))
		FROM step_effects
		WHERE step = $1`, step).Scan(&s)
	if err != nil {
		b.T.Fatal(err)
	}

	return s
}

// effects counts an order's rows of a step's ledger.
func effects(b *ordertest.Bundle, spec flow.Spec, id uuid.UUID) int {
	b.T.Helper()

	return b.Count(`SELECT count(*) FROM step_effects WHERE order_id = $1 AND step = $2 AND template = $3`, id, spec.Name, spec.Template)
}

// apply applies a step, which must succeed.
func apply(b *ordertest.Bundle, spec flow.Spec, id uuid.UUID) {
	b.T.Helper()

	if err := b.Apply(spec.Name, id)[0]; err != nil {
		b.T.Errorf("%s: %v", spec.Name, err)
	}
}

// revoke cancels an order as far as one step sees it.
func revoke(b *ordertest.Bundle, spec flow.Spec, id uuid.UUID) {
	b.T.Helper()
	b.InTx(func(tx pgx.Tx) error {
		if _, err := db.LockOrders(b.T.Context(), tx, []uuid.UUID{id}); err != nil {
			return err
		}

		if err := db.SetStatus(b.T.Context(), tx, []db.Move{{OrderID: id, To: order.Cancelled}}); err != nil {
			return err
		}

		return spec.Revoke(b.T.Context(), tx, []uuid.UUID{id})
	})
}

func TestApplyTwiceIsOnce(t *testing.T) {
	t.Parallel()

	for _, spec := range flow.Specs() {
		t.Run(string(spec.Name), func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 10})
			id := b.Order(ordertest.Line("tea", 2))

			apply(b, spec, id)

			once := state(b, spec.Name)

			apply(b, spec, id)

			if effects(b, spec, id) != 1 || state(b, spec.Name) != once {
				t.Errorf("once: %s\ntwice: %s", once, state(b, spec.Name))
			}

			if err := b.Apply(spec.Name, uuid.New())[0]; order.CodeOf(err) != order.NotFound {
				t.Errorf("an order that does not exist: %v", err)
			}
		})
	}
}

// An ending may come before a step's job has run, or after it. Either way the step
// nets to zero, and a job that runs later changes nothing.
func TestRevokeNetsToZero(t *testing.T) {
	t.Parallel()

	for _, spec := range flow.Specs() {
		for name, before := range map[string]bool{"before Apply": true, "after Apply": false} {
			t.Run(string(spec.Name)+" "+name, func(t *testing.T) {
				t.Parallel()

				b := ordertest.Setup(t, map[string]int64{"tea": 10})
				id := b.Order(ordertest.Line("tea", 2))

				if !before {
					apply(b, spec, id)
				}

				revoke(b, spec, id)

				revoked := state(b, spec.Name)

				revoke(b, spec, id)
				apply(b, spec, id)

				if got := state(b, spec.Name); got != revoked || effects(b, spec, id) == 0 {
					t.Errorf("revoked: %s\nthen revoked and applied again: %s", revoked, got)
				}

				voids := b.Count(`SELECT count(*) FROM step_effects WHERE order_id = $1 AND step = $2 AND void`, id, spec.Name)
				if (voids > 0) != spec.Reversible {
					t.Errorf("%d voids of a step that is reversible: %t", voids, spec.Reversible)
				}

				if n := b.Count(`SELECT available FROM products`); n != 10 {
					t.Errorf("%d available", n)
				}

				if n := b.Count(`SELECT coalesce(sum(balance), 0) FROM points_balances`); n != 0 {
					t.Errorf("the balance is %d", n)
				}
			})
		}
	}
}

// The steps that are due at once are enqueued with the order, the others by the move
// that makes them due: in its transaction, or not at all.
func TestStepsAreEnqueuedWhenTheyBecomeDue(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	plain, held := b.Order(ordertest.Line("tea", 1)), b.Held(time.Hour, ordertest.Line("tea", 1))

	enqueued := func(id uuid.UUID, status order.Status, isHeld bool) {
		t.Helper()

		if o := b.Read(id); o.Status != status {
			t.Fatalf("the order is %s, want %s", o.Status, status)
		}

		for _, step := range order.Steps() {
			want := 0
			if step.Due(status, isHeld) {
				want = 1
			}

			if n := b.Count(`SELECT count(*) FROM live_jobs WHERE unique_key = job_key($1, $2, $3)`, step.Name, id, step.Template); n != want {
				t.Errorf("%d %s jobs of an order that is %s, held: %t; want %d", n, step.Name, status, isHeld, want)
			}
		}
	}

	enqueued(plain, order.Pending, false)
	enqueued(held, order.Pending, true)

	b.Apply(order.Inventory, plain, held)
	enqueued(plain, order.Confirmed, false)
	enqueued(held, order.AwaitingPayment, true)

	rolledBack := errors.New("rolled back")

	err := db.InTx(t.Context(), b.Pool, func(tx pgx.Tx) error {
		if err := done(flow.Pay(b.Queue)(t.Context(), tx, []flow.Payment{{OrderID: held, Payment: order.Payment{Reference: "p"}}})); err != nil {
			return err
		}

		return rolledBack
	})
	if !errors.Is(err, rolledBack) {
		t.Fatal(err)
	}

	enqueued(held, order.AwaitingPayment, true)

	if _, err := b.Pay(held, "p"); err != nil {
		t.Fatal(err)
	}

	enqueued(held, order.Confirmed, true)
}

// Stock that was lost from the ledger is taken again, as long as there is some.
func TestInventoryTakesLostStockAgain(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 5})
	first, second := b.Order(ordertest.Line("tea", 2)), b.Order(ordertest.Line("tea", 3))

	b.Apply(order.Inventory, first, second)
	b.Exec(`DELETE FROM stock_movements`)
	b.Exec(`UPDATE products SET available = 4`)
	b.Exec(`UPDATE stock_receipts SET quantity = 4`)

	errs := b.Apply(order.Inventory, first, second)
	if errs[0] != nil || order.CodeOf(errs[1]) != order.Internal || message(errs[1]) !=
		"The order has lost its stock and cannot get it again: out of stock: tea (wanted 3, left 2)." {
		t.Errorf("errors %v; want the stock for the first order only", errs)
	}

	for id, want := range map[uuid.UUID]int{first: 1, second: 0} {
		if n := b.Count(`SELECT count(*) FROM stock_movements WHERE order_id = $1`, id); n != want || b.Read(id).Status != order.Confirmed {
			t.Errorf("%d movements of an order that is %s; want %d", n, b.Read(id).Status, want)
		}
	}

	b.Exec(`UPDATE products SET available = 4`)
	b.Exec(`UPDATE stock_receipts SET quantity = 6`)
	b.Apply(order.Inventory, second) // there is stock again
	b.Invariants()
}
