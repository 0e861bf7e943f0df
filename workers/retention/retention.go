// Package retention deletes what is not to be kept any longer.
package retention

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/delivery"
	"orders/db/event"
	"orders/db/idempotency"
	"orders/db/jobqueue"
	"orders/db/stats"
)

// Bounds of one attempt; the next job continues with what is left. At 7,000 orders a
// second, 420,000 keys expire each minute.
const (
	pruneBatch   = 5_000
	pruneBatches = 200
)

// A Pruner deletes rows that are past their retention, in small transactions.
type Pruner struct {
	Pool *pgxpool.Pool
	Log  *slog.Logger

	KeepEvents time.Duration
}

// Prune deletes expired idempotency keys, and old failed attempts, statistics, events and deliveries.
func (p *Pruner) Prune(ctx context.Context) error {
	keys, err := p.delete(ctx, idempotency.Prune)
	if err != nil {
		return err
	}

	failed, err := p.delete(ctx, jobqueue.PruneFailures)
	if err != nil {
		return err
	}

	if _, err := p.delete(ctx, stats.Prune); err != nil {
		return err
	}

	events, err := p.delete(ctx, func(ctx context.Context, tx pgx.Tx, limit int) (int64, error) {
		return event.Prune(ctx, tx, p.KeepEvents, limit)
	})
	if err != nil {
		return err
	}

	deliveries, err := p.delete(ctx, func(ctx context.Context, tx pgx.Tx, limit int) (int64, error) {
		return delivery.Prune(ctx, tx, p.KeepEvents, limit)
	})
	if err != nil {
		return err
	}

	p.Log.InfoContext(ctx, "pruned", "idempotency_keys", keys, "failed_attempts", failed, "events", events, "deliveries", deliveries)

	return nil
}

// A batch deletes at most limit rows, and returns how many.
type batch func(ctx context.Context, tx pgx.Tx, limit int) (int64, error)

// delete calls batch until that finds no more rows.
func (p *Pruner) delete(ctx context.Context, batch batch) (total int64, err error) {
	for range pruneBatches {
		var n int64

		err := db.InTx(ctx, p.Pool, func(tx pgx.Tx) (err error) {
			n, err = batch(ctx, tx, pruneBatch)

			return err
		})
		if err != nil {
			return total, err //nolint:wrapcheck // it says what was done
		}

		if total += n; n < pruneBatch {
			break
		}
	}

	return total, nil
}
