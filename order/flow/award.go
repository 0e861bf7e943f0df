package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// Award gives the orders' customers their points.
func Award(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]db.Result[None], error) {
	found, err := db.Earn(ctx, tx, ids, order.PointsEarned)
	if err != nil {
		return nil, err
	}

	return results(ctx, tx, ids, found)
}
