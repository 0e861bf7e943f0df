package baseline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/api"
	"orders/db"
	"orders/db/schema"
	"orders/jobs"
	"orders/order/flow"
)

// textbookConnections is the size of the pool. With 256 clients on two cores, 20 and 30
// connections settled 150 orders a second, 40 130, 60 110.
const textbookConnections = 30

// Textbook serves the API for placing orders, and works their jobs, until ctx ends. It
// does so as in River's documentation: one order a transaction, and one job a transaction,
// which JobCompleteTx completes.
func Textbook(ctx context.Context, url, address string) error {
	pool, err := OpenPool(ctx, url, textbookConnections)
	if err != nil {
		return err
	}
	defer pool.Close()

	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

	queue, err := textbookClient(pool, log)
	if err != nil {
		return err
	}

	if err := queue.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start workers: %w", err)
	}

	handler := api.New(api.Options{ //nolint:contextcheck // requests bring their own
		Pool: pool, Place: placeAlone(pool, queue), Queue: queue, Log: log,
		Ready: func(ctx context.Context) error { return schema.Check(ctx, pool) },
	})
	err = Serve(ctx, address, handler)

	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()

	return errors.Join(err, queue.Stop(drain))
}

// placeAlone places one order in a transaction of its own.
func placeAlone(pool *pgxpool.Pool, queue *river.Client[pgx.Tx]) func(context.Context, flow.Placement) (flow.Placed, error) {
	return func(ctx context.Context, p flow.Placement) (placed flow.Placed, err error) {
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
			placed, err = run(ctx, tx, flow.Place(queue), p)

			return err
		})

		return placed, db.Error(err)
	}
}

// textbookConcurrency is the number of workers a queue in River's documentation.
const textbookConcurrency = 100

// textbookClient makes the client that inserts and works jobs, with River's defaults.
func textbookClient(pool *pgxpool.Pool, log *slog.Logger) (*river.Client[pgx.Tx], error) {
	kinds := river.NewWorkers()

	for _, spec := range flow.Specs() {
		river.AddWorkerArgs(kinds, jobs.Step(spec.Step, uuid.Nil), stepHandler(pool, spec))
	}

	return newClient(pool, log, textbookConcurrency, river.Config{Workers: kinds})
}

// stepHandler runs a step for one job, and completes the job in the same transaction.
func stepHandler(pool *pgxpool.Pool, spec flow.Spec) river.Worker[jobs.OfOrder] {
	return river.WorkFunc(func(ctx context.Context, job *river.Job[jobs.OfOrder]) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			err := Apply(ctx, tx, spec, river.ClientFromContext[pgx.Tx](ctx), job.Args.OrderID)
			if err == nil {
				_, err = river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
			}

			return err
		})
	})
}
