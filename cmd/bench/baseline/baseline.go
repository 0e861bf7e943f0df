// Package baseline measures textbook River, River without effects, and effects without River.
package baseline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db/groupcommit"
	"orders/jobs"
	"orders/order/flow"
)

// newClient makes a River client that works the queues of an order's jobs.
func newClient(pool *pgxpool.Pool, log *slog.Logger, concurrency int, config river.Config) (*river.Client[pgx.Tx], error) {
	config.Logger = log
	config.Queues = map[string]river.QueueConfig{}

	for _, queue := range jobs.StepQueues() {
		config.Queues[queue] = river.QueueConfig{MaxWorkers: concurrency}
	}

	client, err := river.NewClient(riverpgxv5.New(pool), &config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}

	return client, nil
}

// stepOf is a declared step as a batch. The queue is for steps that become due by it.
func stepOf(spec flow.Spec, queue *flow.Queue) groupcommit.Batch[uuid.UUID, flow.None] {
	return func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]groupcommit.Result[flow.None], error) {
		return spec.Apply(ctx, tx, queue, ids)
	}
}

// run runs a step on items. It fails if one of them does, and returns the last result.
func run[In, Out any](ctx context.Context, tx pgx.Tx, step groupcommit.Batch[In, Out], items ...In) (last Out, err error) {
	results, err := step(ctx, tx, items)
	for _, r := range results {
		err = errors.Join(err, r.Err)
		last = r.Value
	}

	return last, err
}
