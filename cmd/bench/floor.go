package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/order"
	"orders/order/flow"
)

const floorBatch = 256 // what a group commit takes at most

// floor is what the effects cost without a queue: it places orders, then does
// their steps on one connection, batch by batch in a transaction each, and
// returns orders a second of that. Products with enough stock are there.
func floor(ctx context.Context, url string, orders int) (float64, error) {
	config, err := db.Config(url)
	if err != nil {
		return 0, err
	}

	config.MaxConns = 1

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return 0, fmt.Errorf("open pool: %w", err)
	}
	defer pool.Close()

	ids, err := floorOrders(ctx, pool, orders)
	if err != nil {
		return 0, fmt.Errorf("place orders: %w", err)
	}

	if err := execEach(ctx, pool, `VACUUM ANALYZE orders, order_lines, products, river_job`, `CHECKPOINT`); err != nil {
		return 0, err
	}

	start := time.Now()

	for batch := range slices.Chunk(ids, floorBatch) {
		if err := floorSteps(ctx, pool, batch); err != nil {
			return 0, err
		}
	}

	took := time.Since(start)

	if err := checkFloor(ctx, pool, ids); err != nil {
		return 0, err
	}

	// Their work is done; workers that came later would only find that out.
	if _, err := pool.Exec(ctx, `DELETE FROM river_job WHERE (args->>'order_id')::uuid = ANY ($1)`, ids); err != nil {
		return 0, fmt.Errorf("remove jobs: %w", err)
	}

	return float64(orders) / took.Seconds(), nil
}

// floorSteps does a batch of orders, step by step.
func floorSteps(ctx context.Context, pool *pgxpool.Pool, ids []uuid.UUID) error {
	notices := make([]db.Notice, len(ids))
	for i, id := range ids {
		notices[i] = db.Notice{OrderID: id, Template: order.NoticeCreated}
	}

	if err := floorStep(ctx, pool, flow.Reserve, ids); err != nil {
		return fmt.Errorf("reserve: %w", err)
	}

	if err := floorStep(ctx, pool, flow.Award, ids); err != nil {
		return fmt.Errorf("award: %w", err)
	}

	if err := floorStep(ctx, pool, flow.Notify, notices); err != nil {
		return fmt.Errorf("notify: %w", err)
	}

	return nil
}

func floorStep[In, Out any](ctx context.Context, pool *pgxpool.Pool, step db.Batch[In, Out], items []In) error {
	return db.InTx(ctx, pool, func(tx pgx.Tx) error {
		results, err := step(ctx, tx, items)
		if err != nil {
			return err
		}

		for _, r := range results {
			if r.Err != nil {
				return r.Err
			}
		}

		return nil
	})
}

// checkFloor proves that each order is confirmed and each step has left what it leaves.
func checkFloor(ctx context.Context, pool *pgxpool.Pool, ids []uuid.UUID) error {
	var confirmed, earned, told, untaken int

	err := pool.QueryRow(ctx, `
		SELECT
			(SELECT count(*) FROM orders WHERE id = ANY ($1) AND status = 'confirmed'),
			(SELECT count(*) FROM points_entries WHERE order_id = ANY ($1) AND kind = 'earn'),
			(SELECT count(*) FROM notifications WHERE order_id = ANY ($1) AND template = 'created'),
			(SELECT count(*)
				FROM order_lines AS l
				LEFT JOIN stock_movements AS m ON m.order_id = l.order_id AND m.sku = l.sku AND m.kind = 'deduct'
				WHERE l.order_id = ANY ($1) AND m.quantity IS DISTINCT FROM l.quantity)`, ids).
		Scan(&confirmed, &earned, &told, &untaken)
	if err != nil {
		return fmt.Errorf("check the floor: %w", err)
	}

	if n := len(ids); confirmed != n || earned != n || told != n || untaken != 0 {
		return fmt.Errorf("of %d orders %d are confirmed, %d earned points, %d told; %d lines without stock",
			n, confirmed, earned, told, untaken)
	}

	return nil
}
