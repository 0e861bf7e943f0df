package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/api"
	"orders/db"
	"orders/order/flow"
)

// textbookConnections is its pool. Tried with 256 clients on two cores, in settled
// orders a second: 20 and 30 connections are alike at 150, 40 gave 130, 60 gave 110;
// 25 workers a queue instead of 100 gave less. The machine was busy otherwise.
const textbookConnections = 30

// textbookDrain bounds the end of requests and jobs that run when it is told to end.
const textbookDrain = 30 * time.Second

// textbookCmd is the service as a good team writes it from River's documentation:
// the same API, steps and tables, but a transaction an order and a transaction a
// job, which JobCompleteTx completes with its effect. API and workers are one
// process, which spares it a second one's cost. It places plain orders only.
type textbookCmd struct {
	DatabaseURL string `required:"" help:"Migrated database to work on; its indexes on river_job are made River's own."`
	Listen      string `required:"" help:"Address of its API."`
}

// Run serves and works until it is told to end.
func (c textbookCmd) Run(ctx context.Context) error {
	config, err := db.Config(c.DatabaseURL)
	if err != nil {
		return err
	}

	config.MaxConns = textbookConnections

	for _, ours := range []string{"plan_cache_mode", "random_page_cost"} { // with small batches, planning each statement anew is dear
		delete(config.ConnConfig.RuntimeParams, ours)
	}

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer pool.Close()

	if err := prepareTextbook(ctx, pool); err != nil {
		return err
	}

	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

	queue, err := textbookClient(pool, log)
	if err != nil {
		return err
	}

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}

	if err := queue.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start workers: %w", err)
	}

	err = textbookServe(ctx, listener, textbookAPI(pool, queue, log)) //nolint:contextcheck // requests bring their own

	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), textbookDrain)
	defer cancel()

	return errors.Join(err, queue.Stop(drain))
}

func textbookAPI(pool *pgxpool.Pool, queue *river.Client[pgx.Tx], log *slog.Logger) http.Handler {
	return api.New(api.Options{
		Pool:   pool,
		Place:  alone(pool, flow.Place(queue)),
		Cancel: alone(pool, flow.Cancel),
		Pay:    alone(pool, flow.Pay(queue)),
		Queue:  queue,
		Watch:  api.NewWatch(api.WatchOptions{Pool: pool, Log: log}),
		Ready:  func(ctx context.Context) error { return db.CheckSchema(ctx, pool) },
		Log:    log,
	})
}

// alone does one caller's item in a transaction of its own.
func alone[In, Out any](pool *pgxpool.Pool, batch db.Batch[In, Out]) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, item In) (out Out, err error) {
		err = db.InTx(ctx, pool, func(tx pgx.Tx) error {
			results, err := batch(ctx, tx, []In{item})
			if err != nil {
				return err
			}

			out = results[0].Value

			return results[0].Err
		})

		return out, db.Error(err)
	}
}

// textbookServe serves until ctx ends, then lets requests in flight finish.
func textbookServe(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: textbookDrain}
	failed := make(chan error, 1)

	go func() { failed <- server.Serve(listener) }()

	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}

	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), textbookDrain)
	defer cancel()

	return server.Shutdown(drain)
}
