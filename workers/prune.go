package workers

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/delivery"
	"orders/db/event"
	"orders/db/idempotency"
	"orders/db/jobqueue"
	"orders/db/stats"
	"orders/jobs"
)

// Bounds of one attempt; the next job continues with what is left. At 7,000 orders a
// second, 420,000 keys expire each minute.
const (
	pruneBatch   = 5_000
	pruneBatches = 200
)

// prune deletes rows that are past their retention, in small transactions.
type prune struct {
	policy[jobs.Prune]

	pool *pgxpool.Pool
	log  *slog.Logger

	keepEvents time.Duration
}

// Work deletes expired idempotency keys, and old failed attempts, statistics, events and deliveries.
func (p *prune) Work(ctx context.Context, _ *river.Job[jobs.Prune]) error {
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
		return event.Prune(ctx, tx, p.keepEvents, limit)
	})
	if err != nil {
		return err
	}

	deliveries, err := p.delete(ctx, func(ctx context.Context, tx pgx.Tx, limit int) (int64, error) {
		return delivery.Prune(ctx, tx, p.keepEvents, limit)
	})
	if err != nil {
		return err
	}

	p.log.InfoContext(ctx, "pruned", "idempotency_keys", keys, "failed_attempts", failed, "events", events, "deliveries", deliveries)

	return nil
}

// delete calls batch until that finds no more rows.
func (p *prune) delete(ctx context.Context, batch func(ctx context.Context, tx pgx.Tx, limit int) (int64, error)) (total int64, err error) {
	for range pruneBatches {
		var n int64

		err := db.InTx(ctx, p.pool, func(tx pgx.Tx) (err error) {
			n, err = batch(ctx, tx, pruneBatch)

			return err
		})
		if err != nil {
			return total, jobError(err)
		}

		if total += n; n < pruneBatch {
			break
		}
	}

	return total, nil
}
