// Package progress reads how far the steps of orders are: which have an effect in a
// ledger, which have a live job, which are dead, and which nothing will do.
package progress

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// An OpenStep is a step that its order must have and that nothing will do: no
// ledger row, no live job, no dead letter that is open or was dismissed.
type OpenStep struct {
	OrderID uuid.UUID
	Step    order.StepName
}

// OpenSteps finds the open steps of the orders.
func OpenSteps(ctx context.Context, q db.Querier, ids []uuid.UUID) ([]OpenStep, error) {
	rows, err := q.Query(ctx, `
		SELECT order_id, step
		FROM open_steps
		WHERE order_id = ANY($1)
		ORDER BY order_id, step`, ids)
	if err != nil {
		return nil, fmt.Errorf("find open steps: %w", err)
	}

	open, err := pgx.CollectRows(rows, pgx.RowToStructByPos[OpenStep])
	if err != nil {
		return nil, fmt.Errorf("find open steps: %w", err)
	}

	return open, nil
}
