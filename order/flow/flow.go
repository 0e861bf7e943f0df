// Package flow is what the system does to orders: one business step a file, each
// over a slice of orders inside the caller's transaction. A step reads like the
// sentence that describes it; the rules are in package order, the SQL in db.
//
// Steps are safe to run again, also at the same moment: the primary keys of the
// ledgers, of orders and of idempotency_keys decide who does what, once.
package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// None is the result of a step that has nothing to tell.
type None = struct{}

// results are those of a step over ids, of which found have an order: an order
// that is not there is refused, the others are done.
func results(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, found int) ([]db.Result[None], error) {
	done := make([]db.Result[None], len(ids))
	if found == len(ids) {
		return done, nil
	}

	missing, err := db.Missing(ctx, tx, ids)
	if err != nil {
		return nil, err
	}

	for i, id := range ids {
		if missing[id] {
			done[i].Err = order.Errorf(order.NotFound, "There is no order %s.", id)
		}
	}

	return done, nil
}
