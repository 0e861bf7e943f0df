package flow

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
	"orders/order"
)

// A Payment says that a held order has been paid.
type Payment struct {
	OrderID   uuid.UUID
	Reference string // the payment's name at whoever took it
}

// Pay confirms the held orders that are paid and enqueues their points. It
// happens once a reference: the same payment again changes nothing. Refused are
// orders that do not wait for payment with [order.StateConflict], and references
// that paid for another order, or a second one for the same, with
// [order.PaymentReused].
func Pay(queue *river.Client[pgx.Tx]) db.Batch[Payment, order.Order] {
	return func(ctx context.Context, tx pgx.Tx, items []Payment) ([]db.Result[order.Order], error) {
		ids := make([]uuid.UUID, len(items))
		for i, item := range items {
			ids[i] = item.OrderID
		}

		return lifecycle(ctx, tx, ids, func(locked map[uuid.UUID]*order.Order, results []db.Result[order.Order]) error {
			return pay(ctx, tx, queue, items, locked, results)
		})
	}
}

func pay(
	ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx],
	items []Payment, locked map[uuid.UUID]*order.Order, results []db.Result[order.Order],
) error {
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		ids[i] = item.OrderID
	}

	paid, err := db.Payments(ctx, tx, ids)
	if err != nil {
		return err
	}

	// The first payment of an order in the batch is the one that is tried.
	due := map[uuid.UUID]string{}

	for i, item := range items {
		o := locked[item.OrderID]
		if o == nil || paid[o.ID] != "" || due[o.ID] != "" {
			continue
		}

		if _, err := o.Status.Next(order.Pay); err != nil {
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
				"The reference has paid for another order, or another reference for this one; a payment pays for one order, once.")
		}
	}

	return confirmPaid(ctx, tx, queue, locked, taken)
}

// confirmPaid moves the orders that have just been paid.
func confirmPaid(
	ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], locked map[uuid.UUID]*order.Order, taken map[uuid.UUID]string,
) error {
	if len(taken) == 0 {
		return nil
	}

	var (
		moves []db.Move
		work  []river.InsertManyParams
	)

	for id := range taken {
		to, err := locked[id].Status.Next(order.Pay)
		if err != nil {
			return err
		}

		moves = append(moves, db.Move{OrderID: id, To: to})
		work = append(work, river.InsertManyParams{Args: jobs.Points{OrderID: id}})
	}

	if err := db.SetStatus(ctx, tx, moves); err != nil {
		return err
	}

	if _, err := queue.InsertManyTx(ctx, tx, work); err != nil {
		return fmt.Errorf("enqueue points: %w", err)
	}

	return nil
}
