package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// A Cancellation asks for an order to be cancelled.
type Cancellation struct {
	OrderID uuid.UUID
	Reason  string
	Actor   string
}

// Cancel ends the orders that may still be cancelled. An order that is cancelled
// already stays as it is, with its first reason; any other is refused with
// [order.StateConflict].
func Cancel(ctx context.Context, tx pgx.Tx, items []Cancellation) ([]db.Result[order.Order], error) {
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		ids[i] = item.OrderID
	}

	return lifecycle(ctx, tx, ids, func(locked map[uuid.UUID]*order.Order, results []db.Result[order.Order]) error {
		var endings []ending

		for i, item := range items {
			o := locked[item.OrderID]
			if o == nil {
				continue
			}

			to, err := o.Status.Next(order.Cancel)
			if err != nil {
				results[i].Err = err

				continue
			}

			if o.Status != to {
				endings = append(endings, ending{order: *o, event: order.Cancel, reason: item.Reason, actor: item.Actor})
				o.Status = to // for another cancellation of it in this batch
			}
		}

		return end(ctx, tx, endings)
	})
}
