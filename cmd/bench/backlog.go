package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// placeBacklog places an order as the API does, and a third of a million like it
// by SQL, so that a million jobs wait.
func placeBacklog(ctx context.Context, pool *pgxpool.Pool) error {
	queue, err := jobs.NewClient(pool, slog.New(slog.DiscardHandler), jobs.Defaults())
	if err != nil {
		return err
	}

	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make order id: %w", err)
	}

	draft := order.Draft{UserID: "u-0", Lines: []order.DraftLine{{SKU: "sku-0", Quantity: 1}, {SKU: "sku-500", Quantity: 1}}}

	err = db.InTx(ctx, pool, func(tx pgx.Tx) error {
		_, err := flow.Place(queue)(ctx, tx, []flow.Placement{{OrderID: id, Draft: draft}})

		return err
	})
	if err != nil {
		return fmt.Errorf("place the model order: %w", err)
	}

	if err := execFile(ctx, pool, "backlog"); err != nil {
		return err
	}

	if err := tidy(ctx, pool); err != nil {
		return err
	}

	// Those that are placed from now on are told from these by their ids' time.
	if !pause(ctx, 10*time.Millisecond) {
		return context.Cause(ctx)
	}

	return nil
}
