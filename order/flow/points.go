package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/groupcommit"
	"orders/db/point"
	"orders/order"
)

func points() Spec {
	return Spec{
		Step:   declared(order.Points),
		Apply:  award,
		Revoke: point.TakeBack,
	}
}

// award gives the orders' customers their points.
func award(ctx context.Context, tx pgx.Tx, _ *Queue, ids []uuid.UUID) ([]groupcommit.Result[None], error) {
	found, err := point.Earn(ctx, tx, ids, order.PointsEarned)
	if err != nil {
		return nil, err
	}

	return results(ctx, tx, ids, found)
}
