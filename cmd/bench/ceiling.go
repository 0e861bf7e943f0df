package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
)

// ceiling is the most that River gives: it works off jobs without work, three an
// order, that are there before the clock starts, and returns orders a second. The
// database is migrated and nobody else's: its river_job is emptied before and after.
func ceiling(ctx context.Context, url string, orders int) (float64, error) {
	pool, err := db.Open(ctx, url)
	if err != nil {
		return 0, err
	}
	defer pool.Close()

	if err := execEach(ctx, pool, `TRUNCATE river_job`); err != nil {
		return 0, err
	}

	var done atomic.Int64

	client, err := ceilingClient(pool, &done)
	if err != nil {
		return 0, err
	}

	if err := placeNoops(ctx, client, orders); err != nil {
		return 0, err
	}

	if err := execEach(ctx, pool, `VACUUM ANALYZE river_job`, `CHECKPOINT`); err != nil {
		return 0, err
	}

	took, err := workNoops(ctx, pool, client, &done, orders)
	if err != nil {
		return 0, fmt.Errorf("work off no-ops: %w", err)
	}

	return float64(orders) / took.Seconds(), execEach(ctx, pool, `TRUNCATE river_job`)
}

// workNoops runs the clock. It stops when the table says that the last job is
// completed, as River completes jobs in batches, some time after they have run.
func workNoops(
	ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], done *atomic.Int64, orders int,
) (took time.Duration, err error) {
	start := time.Now()

	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return 0, fmt.Errorf("start: %w", err)
	}

	defer func() { err = errors.Join(err, client.Stop(context.WithoutCancel(ctx))) }()

	const look = 2 * time.Millisecond

	ticker := time.NewTicker(look)
	defer ticker.Stop()

	// The table is asked once all have run: until then, asking would take the jobs' time.
	for live := true; live; {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-ticker.C:
		}

		if done.Load() < int64(noopsAnOrder*orders) {
			continue
		}

		if live, err = running(ctx, pool); err != nil {
			return 0, err
		}
	}

	took = time.Since(start)

	return took, checkNoops(ctx, pool, noopsAnOrder*orders)
}

func running(ctx context.Context, pool *pgxpool.Pool) (live bool, err error) {
	err = pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM river_job WHERE state = 'running')`).Scan(&live)
	if err != nil {
		return false, fmt.Errorf("look for running jobs: %w", err)
	}

	return live, nil
}

// checkNoops proves that all were worked off.
func checkNoops(ctx context.Context, pool *pgxpool.Pool, want int) error {
	var completed int

	err := pool.QueryRow(ctx, `SELECT count(*) FROM river_job WHERE state = 'completed' AND attempt = 1`).Scan(&completed)
	if err != nil {
		return fmt.Errorf("count completed jobs: %w", err)
	}

	if completed != want {
		return fmt.Errorf("%d jobs are completed, want %d", completed, want)
	}

	return nil
}

// execEach runs statements that cannot share a transaction.
func execEach(ctx context.Context, pool *pgxpool.Pool, statements ...string) error {
	for _, sql := range statements {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}

	return nil
}
