package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// floorOrders places orders of random customers for two random products each and returns their ids.
func floorOrders(ctx context.Context, pool *pgxpool.Pool, orders int) ([]uuid.UUID, error) {
	rows, err := pool.Query(ctx, `SELECT sku FROM products WHERE available > 0`)
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}

	skus, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}

	if len(skus) == 0 {
		return nil, errors.New("no product has stock")
	}

	queue, err := jobs.NewClient(pool, slog.New(slog.DiscardHandler), jobs.Defaults())
	if err != nil {
		return nil, err
	}

	ids := make([]uuid.UUID, orders)
	placements := make([]flow.Placement, orders)

	for i := range ids {
		if ids[i], err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("make id: %w", err)
		}

		placements[i] = flow.Placement{OrderID: ids[i], Draft: floorDraft(skus)}
	}

	for batch := range slices.Chunk(placements, floorBatch) {
		if err := floorStep(ctx, pool, flow.Place(queue), batch); err != nil {
			return nil, err
		}
	}

	return ids, nil
}

func floorDraft(skus []string) order.Draft {
	const customers, lines = 100_000, 2

	draft := order.Draft{UserID: fmt.Sprintf("u-%d", rand.IntN(customers))} //nolint:gosec // load, not a secret

	first := rand.IntN(len(skus)) //nolint:gosec // load, not a secret
	draft.Lines = append(draft.Lines, order.DraftLine{SKU: skus[first], Quantity: 1})

	if len(skus) >= lines {
		second := (first + 1 + rand.IntN(len(skus)-1)) % len(skus) //nolint:gosec // load, not a secret
		draft.Lines = append(draft.Lines, order.DraftLine{SKU: skus[second], Quantity: 1})
	}

	return draft
}
