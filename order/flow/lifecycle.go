package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/action"
	"orders/db/groupcommit"
	"orders/order"
)

// Changed is the order of a request that changes it, as it is now.
type Changed struct {
	Order    order.Order
	Replayed bool // an earlier request has made the change
}

// lifecycle handles requests about orders. It locks the orders in id order and calls do,
// which moves those that may be moved and refuses the others. The results are the orders
// as they are then. An id without an order is refused; locked does not have it.
func lifecycle(
	ctx context.Context, tx pgx.Tx, ids []uuid.UUID,
	do func(locked map[uuid.UUID]*order.Order, results []groupcommit.Result[Changed]) error,
) ([]groupcommit.Result[Changed], error) {
	orders, err := db.LockOrders(ctx, tx, ids)
	if err != nil {
		return nil, err
	}

	results := make([]groupcommit.Result[Changed], len(ids))
	locked := make(map[uuid.UUID]*order.Order, len(orders))

	for i := range orders {
		locked[orders[i].ID] = &orders[i]
	}

	for i, id := range ids {
		if locked[id] == nil {
			results[i].Err = notFound(id)
		}
	}

	if err := do(locked, results); err != nil {
		return nil, err
	}

	return results, readChanged(ctx, tx, ids, results)
}

// actOn is what a client or an operator does to an order.
func actOn(o *order.Order, name action.Name, by order.Actor, detail map[string]any) action.Action {
	target := action.Target{Kind: action.Order, ID: o.ID.String()}

	return action.Action{By: by, Name: name, Target: target, Detail: detail}
}

// unchanged returns the orders of requests that were done before, as they are now.
func unchanged[In any](of func(In) uuid.UUID) groupcommit.Batch[In, Changed] {
	return func(ctx context.Context, tx pgx.Tx, items []In) ([]groupcommit.Result[Changed], error) {
		ids, results := make([]uuid.UUID, len(items)), make([]groupcommit.Result[Changed], len(items))

		for i, item := range items {
			ids[i], results[i].Value.Replayed = of(item), true
		}

		return results, readChanged(ctx, tx, ids, results)
	}
}

// readChanged puts the orders into those of the results that are no refusals.
func readChanged(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, results []groupcommit.Result[Changed]) error {
	orders, err := db.Orders(ctx, tx, ids)
	if err != nil {
		return err
	}

	byID := make(map[uuid.UUID]order.Order, len(orders))
	for _, o := range orders {
		byID[o.ID] = o
	}

	for i, id := range ids {
		if results[i].Err == nil {
			results[i].Value.Order = byID[id]
		}
	}

	return nil
}
