package flow_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
	"orders/order/flow"
)

// acts are all that can happen to orders, each over a batch.
func (b *bundle) acts() map[string]func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	step := func(step db.Batch[uuid.UUID, flow.None]) func(context.Context, pgx.Tx, []uuid.UUID) error {
		return func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
			_, err := step(ctx, tx, ids)

			return err
		}
	}

	return map[string]func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error{
		"reserve": step(flow.Reserve),
		"award":   step(flow.Award),
		"notify":  step(notify),
		"expire":  step(expire),
		"pay": func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
			payments := make([]flow.Payment, len(ids))
			for i, id := range ids {
				payments[i] = flow.Payment{OrderID: id, Reference: "paid-" + id.String()}
			}

			_, err := flow.Pay(b.queue)(ctx, tx, payments)

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
		"compensate": func(ctx context.Context, tx pgx.Tx, _ []uuid.UUID) error {
			if _, err := flow.ExpireOverdue(ctx, tx, 15*time.Minute, 100); err != nil {
				return err
			}

			for _, sweep := range flow.Sweeps(b.queue, flow.DefaultCompensation()) {
				if _, err := sweep(ctx, tx, 100); err != nil {
					return err
				}
			}

			_, err := b.adopt(tx)

			return err
		},
	}
}

// cast are orders in every situation that an act can meet.
func (b *bundle) cast() []uuid.UUID {
	b.t.Helper()

	old := placement("", line("tea", 1))
	copy(old.OrderID[:6], []byte{0x01, 0x90}) // placed in 2024

	if _, err := b.place.Do(b.t.Context(), old); err != nil {
		b.t.Fatal(err)
	}

	confirmed, awarded := b.order(line("tea", 1)), b.order(line("tea", 2))
	waiting, late := b.held(time.Hour, line("tea", 1)), b.held(-2*time.Minute, line("tea", 1))

	b.run(flow.Reserve, confirmed, awarded, waiting, late)
	b.run(flow.Award, awarded)
	b.run(notify, awarded)

	dead := b.order(line("tea", 1))
	b.kill(order.Inventory, dead)
	b.kill(order.Points, confirmed)

	return []uuid.UUID{
		old.OrderID, confirmed, awarded, waiting, late, dead,
		b.order(line("tea", 1)),
		b.order(line("tea", 1_000)), // more than there is
		b.held(time.Hour, line("tea", 1)),
		b.held(-time.Second, line("tea", 1)),
	}
}

// kill discards an order's job of a step, as River does when it gives up.
func (b *bundle) kill(step order.StepName, id uuid.UUID) {
	b.t.Helper()
	b.inTx(func(tx pgx.Tx) error {
		_, err := tx.Exec(b.t.Context(), `
			UPDATE river_job
			SET state = 'discarded',
				finalized_at = now(),
				errors = ARRAY['{"at":"2026-01-01T00:00:00Z","attempt":1,"error":"broken","trace":""}'::jsonb]
			WHERE kind = $1
				AND args->>'order_id' = $2`, string(step), id.String())

		return err
	})
}

// settle runs all steps, as the workers would in the end.
func (b *bundle) settle(ids []uuid.UUID) {
	b.t.Helper()

	for _, step := range steps {
		b.run(step, ids...)
	}
}

// Two acts meet: the first has done its work and not yet committed when the
// second begins. Every pair, in both orders of commit, over orders in every
// situation; afterwards all that must hold, holds.
func TestEveryPairOfActsAtTheSameMoment(t *testing.T) {
	t.Parallel()

	names := []string{"reserve", "award", "notify", "pay", "cancel", "expire", "compensate"}

	for _, first := range names {
		t.Run(first, func(t *testing.T) {
			t.Parallel()

			b := setup(t, map[string]int64{"tea": 200})

			for _, second := range names {
				ids := b.cast()
				b.meet(b.acts()[first], b.acts()[second], ids)
				b.settle(ids)
				b.invariants()

				if t.Failed() {
					t.Fatalf("%s, then %s", first, second)
				}
			}
		})
	}
}

// meet runs first, then, before it commits, second, and commits in that order.
func (b *bundle) meet(first, second func(context.Context, pgx.Tx, []uuid.UUID) error, ids []uuid.UUID) {
	b.t.Helper()

	done := make(chan error, 1)

	b.inTx(func(tx pgx.Tx) error {
		if err := first(b.t.Context(), tx, ids); err != nil {
			return err
		}

		go func() {
			done <- db.InTx(b.t.Context(), b.pool, func(tx pgx.Tx) error { return second(b.t.Context(), tx, ids) })
		}()

		select { // until second waits for first, or has ended without
		case err := <-done:
			done <- err
		case <-time.After(30 * time.Millisecond):
		}

		return nil
	})

	if err := <-done; err != nil {
		b.t.Error(fmt.Errorf("second: %w", err))
	}
}
