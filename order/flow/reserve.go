package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// Reserve shares the stock among those of the orders that are still pending:
// an order that gets all its lines is confirmed, one that does not is rejected
// and, in the same transaction, nets to zero and its customer is told.
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
		served   []order.Order
		rejected []uuid.UUID
		moves    []db.Move
	)

	for i, shortage := range order.Allocate(stock, pending) {
		o := pending[i]

		if shortage == nil {
			served = append(served, o)
			moves = append(moves, db.Move{OrderID: o.ID, To: order.Confirmed})
		} else {
			rejected = append(rejected, o.ID)
			moves = append(moves, db.Move{OrderID: o.ID, To: order.Rejected, Reason: shortage.Reason()})
		}
	}

	if err := db.SetStatus(ctx, tx, moves); err != nil {
		return err
	}

	if err := db.Deduct(ctx, tx, served); err != nil {
		return err
	}

	return reject(ctx, tx, rejected)
}

// reject makes orders without stock net to zero and tells their customers. The
// inbox gets "created" with it, if it is not there yet: a message that the order
// was created must not come in behind the one that it was rejected.
func reject(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}

	if err := db.TakeBackPoints(ctx, tx, ids); err != nil {
		return err
	}

	notices := make([]db.Notice, 0, 2*len(ids))
	for _, id := range ids {
		notices = append(notices,
			db.Notice{OrderID: id, Template: order.NoticeCreated},
			db.Notice{OrderID: id, Template: order.NoticeRejected})
	}

	_, err := db.Notify(ctx, tx, notices)

	return err
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
