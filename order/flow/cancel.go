package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/action"
	"orders/db/groupcommit"
	"orders/db/idempotency"
	"orders/order"
)

// A Cancellation requests that an order is cancelled.
type Cancellation struct {
	OrderID uuid.UUID
	Reason  string
	Actor   order.Actor
	Request idempotency.Request
}

// Cancel ends the orders that may be cancelled. An order that was cancelled before stays
// as it is, with its first reason. An order with another final status is refused with
// [order.StateConflict].
//
// A cancellation with a key happens once; again, its result is the order as it is then.
func Cancel(ctx context.Context, tx pgx.Tx, items []Cancellation) ([]groupcommit.Result[Changed], error) {
	return idempotency.Batch(
		func(c Cancellation) idempotency.Request { return c.Request }, cancel,
		unchanged(func(c Cancellation) uuid.UUID { return c.OrderID }),
	)(ctx, tx, items)
}

func cancel(ctx context.Context, tx pgx.Tx, items []Cancellation) ([]groupcommit.Result[Changed], error) {
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		ids[i] = item.OrderID
	}

	return lifecycle(ctx, tx, ids, func(locked map[uuid.UUID]*order.Order, results []groupcommit.Result[Changed]) error {
		var (
			endings []ending
			actions []action.Action
		)

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
				reason := order.Reason{Code: order.CancelledByClient, Text: item.Reason}
				endings = append(endings, ending{order: *o, event: order.Cancel, reason: reason, actor: item.Actor.Name})
				actions = append(actions, actOn(o, action.CancelOrder, item.Actor, map[string]any{"from": o.Status}))
				o.Status = to // for another cancellation of it in this batch
			}
		}

		if err := action.Record(ctx, tx, actions...); err != nil {
			return err
		}

		return end(ctx, tx, endings)
	})
}
