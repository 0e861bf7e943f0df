package flow_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/catalogue"
	"orders/db/deadletter"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
	"orders/order/repair"
)

// acts are all that can happen to orders, each over a batch.
func acts(b *ordertest.Bundle) map[string]func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	step := func(name order.StepName) func(context.Context, pgx.Tx, []uuid.UUID) error {
		return func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
			_, err := b.Step(name)(ctx, tx, ids)

			return err
		}
	}

	return map[string]func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error{
		"inventory":    step(order.Inventory),
		"points":       step(order.Points),
		"notification": step(order.Notification),
		"expire": func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
			_, err := flow.Expire(b.Queue)(ctx, tx, ids)

			return err
		},
		"pay": func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
			payments := make([]flow.Payment, len(ids))
			for i, id := range ids {
				payments[i] = flow.Payment{OrderID: id, Payment: order.Payment{Reference: "paid-" + id.String()}}
			}

			_, err := flow.Pay(b.Queue)(ctx, tx, payments)

			return err
		},
		"cancel": func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
			cancellations := make([]flow.Cancellation, len(ids))
			for i, id := range ids {
				cancellations[i] = flow.Cancellation{OrderID: id, Reason: "test"}
			}

			_, err := flow.Cancel(ctx, tx, cancellations)

			return err
		},
		"receipt":    stock(catalogue.Receipt{Quantity: 3}),
		"lost":       stock(catalogue.Receipt{Quantity: -2, Reason: order.Lost}),
		"stock_take": stock(catalogue.Receipt{Counted: new(int64(150)), Reason: order.StockTake}),
		"compensate": func(ctx context.Context, tx pgx.Tx, _ []uuid.UUID) error {
			if _, _, err := flow.ExpireOverdue(ctx, tx, b.Queue, 15*time.Minute, 100); err != nil {
				return err
			}

			for _, sweep := range repair.Sweeps(b.Queue, repair.DefaultRules()) {
				if _, _, err := sweep.Run(ctx, tx, 100); err != nil {
					return err
				}
			}

			if _, _, err := repair.MissingJobs(ctx, tx, b.Queue, 100); err != nil {
				return err
			}

			_, err := repair.MissingJobsAgain(ctx, tx, b.Queue)

			return err
		},
	}
}

// stock is an act that changes the stock of tea.
func stock(r catalogue.Receipt) func(ctx context.Context, tx pgx.Tx, _ []uuid.UUID) error {
	return func(ctx context.Context, tx pgx.Tx, _ []uuid.UUID) error {
		r.SKU, r.Reference = "tea", uuid.NewString()
		_, _, err := catalogue.Book(ctx, tx, r)

		return err
	}
}

// Stock is changed while orders take it and give it back, in both orders of commit.
func TestStockIsAdjustedWhileOrdersMove(t *testing.T) {
	t.Parallel()

	changes := []string{"receipt", "lost", "stock_take"}

	for _, change := range changes {
		t.Run(change, func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 200})

			for _, other := range append(changes, "inventory", "cancel") {
				for _, pair := range [][2]string{{change, other}, {other, change}} {
					ids := cast(b)
					meet(b, acts(b)[pair[0]], acts(b)[pair[1]], ids)
					b.Settle(ids...)
					b.Invariants()

					if t.Failed() {
						t.Fatalf("%s, then %s", pair[0], pair[1])
					}
				}
			}
		})
	}
}

// A stock-take counts what is there when it is booked: it waits for what changes the stock.
func TestAStockTakeCountsWhatIsThere(t *testing.T) {
	t.Parallel()

	for pair, want := range map[[2]string]int{
		{"receipt", "stock_take"}:   150,
		{"stock_take", "receipt"}:   153,
		{"lost", "stock_take"}:      150,
		{"stock_take", "lost"}:      148,
		{"inventory", "stock_take"}: 150,
		{"stock_take", "inventory"}: 143,
	} {
		t.Run(pair[0]+", then "+pair[1], func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 200})
			id := b.Order(ordertest.Line("tea", 7))
			meet(b, acts(b)[pair[0]], acts(b)[pair[1]], []uuid.UUID{id})

			if got := b.Count(`SELECT available FROM products`); got != want {
				t.Errorf("%d available, want %d", got, want)
			}

			b.Invariants()
		})
	}
}

// cast are orders in every situation that an act can meet.
func cast(b *ordertest.Bundle) []uuid.UUID {
	b.T.Helper()

	old := b.Old(ordertest.Line("tea", 1))
	confirmed, awarded := b.Order(ordertest.Line("tea", 1)), b.Order(ordertest.Line("tea", 2))
	waiting, late := b.Held(time.Hour, ordertest.Line("tea", 1)), b.Held(-2*time.Minute, ordertest.Line("tea", 1))

	b.Apply(order.Inventory, confirmed, awarded, waiting, late)
	b.Apply(order.Points, awarded)
	b.Apply(order.Notification, awarded)

	dead := b.Order(ordertest.Line("tea", 1))
	b.Die("inventory", dead, deadletter.Unknown)
	b.Die("points", confirmed, deadletter.Unknown)

	return []uuid.UUID{
		old, confirmed, awarded, waiting, late, dead,
		b.Order(ordertest.Line("tea", 1)),
		b.Order(ordertest.Line("tea", 1_000)), // more than there is
		b.Held(time.Hour, ordertest.Line("tea", 1)),
		b.Held(-time.Second, ordertest.Line("tea", 1)),
	}
}

// Two acts meet: the first has done its work and not yet committed when the
// second begins. Every pair, in both orders of commit, over orders in every
// situation; afterwards all that must hold, holds.
func TestEveryPairOfActsAtTheSameMoment(t *testing.T) {
	t.Parallel()

	names := []string{"inventory", "points", "notification", "pay", "cancel", "expire", "compensate"}

	for _, first := range names {
		t.Run(first, func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 200})

			for _, second := range names {
				ids := cast(b)
				meet(b, acts(b)[first], acts(b)[second], ids)
				b.Settle(ids...)
				b.Invariants()

				if t.Failed() {
					t.Fatalf("%s, then %s", first, second)
				}
			}
		})
	}
}

// meet runs first, then, before it commits, second, and commits in that order.
func meet(b *ordertest.Bundle, first, second func(context.Context, pgx.Tx, []uuid.UUID) error, ids []uuid.UUID) {
	b.T.Helper()

	done := make(chan error, 1)

	b.InTx(func(tx pgx.Tx) error {
		if err := first(b.T.Context(), tx, ids); err != nil {
			return err
		}

		go func() {
			done <- db.InTx(b.T.Context(), b.Pool, func(tx pgx.Tx) error { return second(b.T.Context(), tx, ids) })
		}()

		for { // until second waits for first, or has ended
			select {
			case err := <-done:
				done <- err

				return nil
			default:
				if b.Count(`SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`) > 0 {
					return nil
				}
			}
		}
	})

	if err := <-done; err != nil {
		b.T.Error(fmt.Errorf("second: %w", err))
	}
}
