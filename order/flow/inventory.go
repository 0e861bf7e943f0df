package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/groupcommit"
	"orders/db/payment"
	"orders/order"
)

func inventory() Spec {
	return Spec{
		Step:     declared(order.Inventory),
		Apply:    reserve,
		Revoke:   db.Release,
		WhenDead: FailOrder,
	}
}

// reserve shares the stock among those of the orders that have none yet. A pending
// order that gets all its lines is confirmed, or waits for payment if it is held and not
// paid yet. A pending order that does not is rejected.
//
// An order that is past its reservation without any stock in the ledger has lost its
// rows. It gets its stock again, or is refused: it cannot be rejected any more, so an
// operator must decide.
func reserve(ctx context.Context, tx pgx.Tx, queue *Queue, ids []uuid.UUID) ([]groupcommit.Result[None], error) {
	orders, stock, err := db.LockUnreserved(ctx, tx, ids)
	if err != nil {
		return nil, err
	}

	done, err := results(ctx, tx, ids, len(orders))
	if err != nil || len(orders) == 0 {
		return done, err
	}

	lost, err := allocate(ctx, tx, queue, orders, stock)
	if err != nil {
		return nil, err
	}

	for i, id := range ids {
		if shortage := lost[id]; shortage != nil {
			done[i].Err = order.Errorf(order.Internal, "The order has lost its stock and cannot get it again: %s.", shortage.Reason().Text)
		}
	}

	return done, nil
}

// allocate shares the stock and moves the pending orders. It returns the shortages of
// orders that are not pending any more, by order.
func allocate(
	ctx context.Context, tx pgx.Tx, queue *Queue, orders []order.Order, stock map[string]int64,
) (map[uuid.UUID]order.Shortages, error) {
	paid, err := keptPayments(ctx, tx, orders)
	if err != nil {
		return nil, err
	}

	var (
		served   []order.Order // all that get their stock
		reserved []order.Order // those of them that move on
		moves    []db.Move
		endings  []ending
		lost     = map[uuid.UUID]order.Shortages{}
		short    = map[uuid.UUID]order.Shortages{}
	)

	for i, shortage := range order.Allocate(stock, orders) {
		switch o := orders[i]; {
		case shortage != nil && o.Status == order.Pending:
			short[o.ID] = shortage
			endings = append(endings, ending{order: o, event: order.Reject, reason: shortage.Reason()})
		case shortage != nil:
			lost[o.ID] = shortage
		case o.Status != order.Pending:
			served = append(served, o)
		default:
			_, paid := paid[o.ID]

			to, err := o.Status.Next(o.Reservation(paid))
			if err != nil {
				return nil, err
			}

			served, reserved = append(served, o), append(reserved, o)
			moves = append(moves, db.Move{OrderID: o.ID, To: to})
		}
	}

	if err := advance(ctx, tx, queue, reserved, moves); err != nil {
		return nil, err
	}

	if err := db.Deduct(ctx, tx, served); err != nil {
		return nil, err
	}

	if err := db.RecordShortages(ctx, tx, short); err != nil {
		return nil, err
	}

	return lost, end(ctx, tx, endings)
}

// keptPayments are the payments of those of the orders that have been paid before there was
// stock. The orders are locked, so none comes meanwhile.
func keptPayments(ctx context.Context, tx pgx.Tx, orders []order.Order) (map[uuid.UUID]order.Payment, error) {
	var held []uuid.UUID

	for _, o := range orders {
		if o.Status == order.Pending && o.HoldUntil != nil {
			held = append(held, o.ID)
		}
	}

	return payment.Of(ctx, tx, held)
}
