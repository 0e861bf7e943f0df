package flow

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/groupcommit"
	"orders/db/payment"
	"orders/db/savepoint"
	"orders/order"
)

// ExpireGrace is how late a held order's own job may be before the sweep expires the order.
const ExpireGrace = time.Minute

// Expire ends those of the held orders that are past their deadline and not paid. If an
// order's deadline is still to come, its result is how long until then by the database's
// clock; else it is 0. A paid order that is still pending is left to its inventory job.
func Expire(queue *Queue) groupcommit.Batch[uuid.UUID, time.Duration] {
	return func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]groupcommit.Result[time.Duration], error) {
		return expire(ctx, tx, queue, ids)
	}
}

func expire(ctx context.Context, tx pgx.Tx, queue *Queue, ids []uuid.UUID) ([]groupcommit.Result[time.Duration], error) {
	orders, err := db.LockOrders(ctx, tx, ids)
	if err != nil {
		return nil, err
	}

	now, err := db.Now(ctx, tx)
	if err != nil {
		return nil, err
	}

	var due []order.Order

	early := map[uuid.UUID]time.Duration{}
	found := map[uuid.UUID]bool{}

	for _, o := range orders {
		found[o.ID] = true

		switch _, err := o.Status.Next(order.Expire); {
		case err != nil || o.HoldUntil == nil: // paid, or ended another way
		case o.HoldUntil.After(now):
			early[o.ID] = o.HoldUntil.Sub(now)
		default:
			due = append(due, o)
		}
	}

	due, err = withoutPayment(ctx, tx, queue, due)
	if err != nil {
		return nil, err
	}

	endings := make([]ending, len(due))
	for i, o := range due {
		endings[i] = ending{order: o, event: order.Expire, reason: order.Unpaid()}
	}

	results := make([]groupcommit.Result[time.Duration], len(ids))

	for i, id := range ids {
		results[i].Value = early[id]

		if !found[id] {
			results[i].Err = notFound(id)
		}
	}

	return results, end(ctx, tx, endings)
}

// withoutPayment are those of the orders that are not paid. Orders that await a payment which
// they have are confirmed: a program of the release before did not know of kept payments when
// it reserved their stock.
func withoutPayment(ctx context.Context, tx pgx.Tx, queue *Queue, orders []order.Order) ([]order.Order, error) {
	ids := make([]uuid.UUID, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}

	payments, err := payment.Of(ctx, tx, ids)
	if err != nil {
		return nil, err
	}

	var unpaid, paid []order.Order

	for _, o := range orders {
		if _, has := payments[o.ID]; has {
			paid = append(paid, o)
		} else {
			unpaid = append(unpaid, o)
		}
	}

	return unpaid, confirmPaid(ctx, tx, queue, paid)
}

// ExpireOverdue ends at most limit orders that have been pending for longer than
// deadline, or whose payment is late and whose own job has not expired them. It returns
// how many it ended, and the error of those that it could not end.
func ExpireOverdue(ctx context.Context, tx pgx.Tx, queue *Queue, deadline time.Duration, limit int) (ended int, failure, err error) {
	overdue, err := db.LockOverdue(ctx, tx, deadline, ExpireGrace, limit)
	if err != nil {
		return 0, nil, err
	}

	var (
		endings []ending
		held    []order.Order
	)

	for _, o := range overdue {
		if o.Status == order.AwaitingPayment {
			held = append(held, o)
		} else {
			endings = append(endings, ending{order: o, event: order.Expire, reason: order.Unprocessed()})
		}
	}

	if held, err = withoutPayment(ctx, tx, queue, held); err != nil {
		return 0, nil, err
	}

	for _, o := range held {
		endings = append(endings, ending{order: o, event: order.Expire, reason: order.Unpaid()})
	}

	faults, err := savepoint.IsolateLocked(ctx, tx, endings, func(tx pgx.Tx, endings []ending) error { return end(ctx, tx, endings) })

	return len(endings) - len(faults.Items), faults.First(), err
}
