package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// Reserve shares the stock among those of the orders that are still pending:
// an order that gets all its lines is confirmed, or waits for its payment; one
// that does not is rejected.
func Reserve(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]db.Result[None], error) {
	pending, err := db.LockPending(ctx, tx, ids)
	if err != nil {
		return nil, err
	}

	if len(pending) > 0 {
		if err := reserve(ctx, tx, pending); err != nil {
			return nil, err
		}
	}

	return results(ctx, tx, ids, len(pending))
}

func reserve(ctx context.Context, tx pgx.Tx, pending []order.Order) error {
	stock, err := db.LockStock(ctx, tx, skusOf(pending))
	if err != nil {
		return err
	}

	var (
		served  []order.Order
		moves   []db.Move
		endings []ending
	)

	for i, shortage := range order.Allocate(stock, pending) {
		o := pending[i]

		if shortage != nil {
			endings = append(endings, ending{order: o, event: order.Reject, reason: shortage.Reason()})

			continue
		}

		event := order.Reserve
		if o.HoldUntil != nil {
			event = order.Hold
		}

		to, err := o.Status.Next(event)
		if err != nil {
			return err
		}

		served = append(served, o)
		moves = append(moves, db.Move{OrderID: o.ID, To: to})
	}

	if err := db.SetStatus(ctx, tx, moves); err != nil {
		return err
	}

	if err := db.Deduct(ctx, tx, served); err != nil {
		return err
	}

	return end(ctx, tx, endings)
}

func skusOf(orders []order.Order) []string {
	var skus []string

	for _, o := range orders {
		for _, l := range o.Lines {
			skus = append(skus, l.SKU)
		}
	}

	return skus
}
