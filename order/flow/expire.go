package flow

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/groupcommit"
	"orders/db/savepoint"
	"orders/order"
)

const (
	unpaid    = "not paid in time"
	unsettled = "not processed in time"
)

// ExpireGrace is how late a held order's own job may be before the sweep expires the order.
const ExpireGrace = time.Minute

// Expire ends those of the held orders that are past their deadline and not paid. If an
// order's deadline is still to come, its result is how long until then by the database's
// clock; else it is 0.
func Expire(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]groupcommit.Result[time.Duration], error) {
	orders, err := db.LockOrders(ctx, tx, ids)
	if err != nil {
		return nil, err
	}

	now, err := db.Now(ctx, tx)
	if err != nil {
		return nil, err
	}

	var endings []ending

	early := map[uuid.UUID]time.Duration{}
	found := map[uuid.UUID]bool{}

	for _, o := range orders {
		found[o.ID] = true

		switch _, err := o.Status.Next(order.Expire); {
		case err != nil || o.HoldUntil == nil: // paid, or ended another way
		case o.HoldUntil.After(now):
			early[o.ID] = o.HoldUntil.Sub(now)
		default:
			endings = append(endings, ending{order: o, event: order.Expire, reason: unpaid})
		}
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

// ExpireOverdue ends at most limit orders that have been pending for longer than
// deadline, or whose payment is late and whose own job has not expired them. It returns
// how many it ended, and the error of those that it could not end.
func ExpireOverdue(ctx context.Context, tx pgx.Tx, deadline time.Duration, limit int) (ended int, failure, err error) {
	overdue, err := db.LockOverdue(ctx, tx, deadline, ExpireGrace, limit)
	if err != nil {
		return 0, nil, err
	}

	endings := make([]ending, len(overdue))

	for i, o := range overdue {
		endings[i] = ending{order: o, event: order.Expire, reason: unsettled}
		if o.Status == order.AwaitingPayment {
			endings[i].reason = unpaid
		}
	}

	faults, err := savepoint.IsolateLocked(ctx, tx, endings, func(tx pgx.Tx, endings []ending) error { return end(ctx, tx, endings) })

	return len(endings) - len(faults.Items), faults.First(), err
}
