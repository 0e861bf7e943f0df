// Package baseline measures textbook River, River without effects, and effects without River.
package baseline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db"
	"orders/db/groupcommit"
	"orders/jobs"
	"orders/order/flow"
)

// drainTimeout bounds the end of requests and jobs in progress.
const drainTimeout = 30 * time.Second

// OpenPool opens a pool for transactions of one order. Their statements are small, so the planning that suits large batches
// is left out.
func OpenPool(ctx context.Context, url string, connections int32) (*pgxpool.Pool, error) {
	config, err := db.Config(url)
	if err != nil {
		return nil, err
	}

	config.MaxConns = connections

	for _, ours := range []string{"plan_cache_mode", "random_page_cost"} {
		delete(config.ConnConfig.RuntimeParams, ours)
	}

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}

	return pool, nil
}

// Serve serves HTTP until ctx ends, and lets the requests in progress finish.
func Serve(ctx context.Context, address string, handler http.Handler) (err error) {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: drainTimeout}
	failed := make(chan error, 1)

	go func() { failed <- server.ListenAndServe() }()

	select {
	case err = <-failed:
	case <-ctx.Done():
	}

	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()

	return errors.Join(err, server.Shutdown(drain))
}

// Apply does a step for one order.
func Apply(ctx context.Context, tx pgx.Tx, spec flow.Spec, queue *flow.Queue, id uuid.UUID) error {
	_, err := run(ctx, tx, stepOf(spec, queue), id)

	return err
}

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
