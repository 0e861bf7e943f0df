package flow

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

const (
	unpaid    = "not paid in time"
	unsettled = "not processed in time"
)

// Expire ends those of the held orders that are past their deadline and still not
// paid. It answers, for an order whose deadline is yet to come, when that is:
// clocks differ between machines, and the database's decides.
func Expire(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]db.Result[*time.Time], error) {
	orders, err := db.LockOrders(ctx, tx, ids)
	if err != nil {
		return nil, err
	}

	now, err := db.Now(ctx, tx)
	if err != nil {
		return nil, err
	}

	var endings []ending

	early := map[uuid.UUID]*time.Time{}
	found := map[uuid.UUID]bool{}

	for _, o := range orders {
		found[o.ID] = true

		switch _, err := o.Status.Next(order.Expire); {
		case err != nil || o.HoldUntil == nil: // paid, or ended another way
		case o.HoldUntil.After(now):
			early[o.ID] = o.HoldUntil
		default:
			endings = append(endings, ending{order: o, event: order.Expire, reason: unpaid})
		}
	}

	results := make([]db.Result[*time.Time], len(ids))

	for i, id := range ids {
		results[i].Value = early[id]

		if !found[id] {
			results[i].Err = order.Errorf(order.NotFound, "There is no order %s.", id)
		}
	}

	return results, end(ctx, tx, endings)
}

// ExpireOverdue ends at most limit orders that have been pending for longer than
// deadline, or whose payment is late although their own job should have expired
// them. It returns how many.
func ExpireOverdue(ctx context.Context, tx pgx.Tx, deadline time.Duration, limit int) (int, error) {
	const grace = time.Minute

	overdue, err := db.LockOverdue(ctx, tx, deadline, grace, limit)
	if err != nil {
		return 0, err
	}

	endings := make([]ending, len(overdue))

	for i, o := range overdue {
		endings[i] = ending{order: o, event: order.Expire, reason: unsettled}
		if o.Status == order.AwaitingPayment {
			endings[i].reason = unpaid
		}
	}

	return len(endings), end(ctx, tx, endings)
}
