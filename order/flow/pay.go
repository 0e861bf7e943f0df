package flow

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/groupcommit"
	"orders/order"
)

// A Payment says that a held order has been paid.
type Payment struct {
	OrderID   uuid.UUID
	Reference string // the payment provider's name for the payment
}

// Pay confirms the held orders that are paid, and enqueues the steps that become due by
// it. The same payment again changes nothing. If an order does not wait for payment, or its
// deadline has passed, Pay refuses the payment with [order.StateConflict], and records that
// its money must be returned. If the reference has paid for another
// order, or another reference for this order, it refuses with [order.PaymentReused].
func Pay(queue *Queue) groupcommit.Batch[Payment, order.Order] {
	return func(ctx context.Context, tx pgx.Tx, items []Payment) ([]groupcommit.Result[order.Order], error) {
		ids := make([]uuid.UUID, len(items))
		for i, item := range items {
			ids[i] = item.OrderID
		}

		return lifecycle(ctx, tx, ids, func(locked map[uuid.UUID]*order.Order, results []groupcommit.Result[order.Order]) error {
			return pay(ctx, tx, queue, items, locked, results)
		})
	}
}

func pay(
	ctx context.Context, tx pgx.Tx, queue *Queue,
	items []Payment, locked map[uuid.UUID]*order.Order, results []groupcommit.Result[order.Order],
) error {
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		ids[i] = item.OrderID
	}

	paid, err := db.Payments(ctx, tx, ids)
	if err != nil {
		return err
	}

	now, err := db.Now(ctx, tx)
	if err != nil {
		return err
	}

	// Of several payments for an order in the batch, the first counts.
	due := map[uuid.UUID]string{}

	for i, item := range items {
		o := locked[item.OrderID]
		if o == nil || paid[o.ID] != "" || due[o.ID] != "" {
			continue
		}

		if err := payable(o, now); err != nil {
			results[i].Err = err

			continue
		}

		due[o.ID] = item.Reference
	}

	taken, err := db.Pay(ctx, tx, due)
	if err != nil {
		return err
	}

	for i, item := range items {
		reference := paid[item.OrderID] + taken[item.OrderID]
		if results[i].Err == nil && reference != item.Reference {
			results[i].Err = order.Errorf(order.PaymentReused,
				"The reference has paid for another order, or this order was paid with another reference; a payment pays for one order.")
		}
	}

	if err := keepRefused(ctx, tx, items, locked, results, taken); err != nil {
		return err
	}

	return confirmPaid(ctx, tx, queue, locked, taken)
}

// payable refuses a payment for an order that does not wait for it, or whose deadline has
// passed: the job that expires the order may be late.
func payable(o *order.Order, now time.Time) error {
	if _, err := o.Status.Next(order.Pay); err != nil {
		return err
	}

	if o.HoldUntil != nil && !o.HoldUntil.After(now) {
		until := o.HoldUntil.UTC().Format(time.RFC3339)
		refusal := order.Errorf(order.StateConflict, "Cannot pay the order: its payment was due at %s.", until)
		refusal.Current = o.Status

		return refusal
	}

	return nil
}

// keepRefused records the payments that were refused: their money must be returned. A
// payment for a pending order is sent again once the order awaits it. A reference that pays
// for an order now was refused before for another.
func keepRefused(
	ctx context.Context, tx pgx.Tx, items []Payment, locked map[uuid.UUID]*order.Order,
	results []groupcommit.Result[order.Order], taken map[uuid.UUID]string,
) error {
	var refused []db.RefusedPayment

	for i, item := range items {
		if o := locked[item.OrderID]; o != nil && o.Status != order.Pending && results[i].Err != nil {
			refused = append(refused, db.RefusedPayment{OrderID: item.OrderID, Reference: item.Reference})
		}
	}

	if err := db.RecordRefused(ctx, tx, refused); err != nil {
		return err
	}

	return db.ForgetRefused(ctx, tx, slices.Collect(maps.Values(taken)))
}

// confirmPaid moves the orders that have just been paid.
func confirmPaid(
	ctx context.Context, tx pgx.Tx, queue *Queue, locked map[uuid.UUID]*order.Order, taken map[uuid.UUID]string,
) error {
	if len(taken) == 0 {
		return nil
	}

	var (
		orders []order.Order
		moves  []db.Move
	)

	for id := range taken {
		to, err := locked[id].Status.Next(order.Pay)
		if err != nil {
			return err
		}

		orders = append(orders, *locked[id])
		moves = append(moves, db.Move{OrderID: id, To: to})
	}

	return advance(ctx, tx, queue, orders, moves)
}
