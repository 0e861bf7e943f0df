package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"riverqueue.com/riverui"

	"orders/api"
	"orders/db"
	"orders/jobs"
	"orders/order/flow"
)

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	drainTimeout  = 30 * time.Second // for requests and jobs that run when the program is told to end
)

// placer is the group commit that places orders.
type placer = db.GroupCommit[flow.Placement, flow.Placed]

// newAPI assembles the HTTP side on a pool. The group commit is to be closed
// when no request is left.
func newAPI(ctx context.Context, p *program, pool *pgxpool.Pool) (http.Handler, *placer, error) {
	queue, err := jobs.NewClient(pool, p.quiet)
	if err != nil {
		return nil, nil, err
	}

	ui, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(queue, nil),
		Logger:    p.quiet,
		Prefix:    "/riverui",
	})
	if err != nil {
		return nil, nil, fmt.Errorf("make River UI: %w", err)
	}

	if err := ui.Start(ctx); err != nil {
		return nil, nil, fmt.Errorf("start River UI: %w", err)
	}

	place := db.NewGroupCommit(pool, db.GroupOptions{}, flow.Place(queue))

	handler := api.New(api.Options{ //nolint:contextcheck // requests bring their own
		Pool:    pool,
		Place:   place.Do,
		RiverUI: ui,
		Ready:   ready(pool),
		Log:     p.log,
		Version: version,
	})

	return handler, place, nil
}

// ready tells whether work can be done: the database is there and its schema fits.
func ready(pool *pgxpool.Pool) func(context.Context) error {
	return func(ctx context.Context) error { return db.CheckSchema(ctx, pool) }
}

// listen opens the address, early: a port that is taken is better known before a
// database is started.
func listen(ctx context.Context, address, variable string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; set %s to another address", err, variable)
	}

	return listener, nil
}

// serveUntil serves until ctx ends, then lets requests in flight finish.
func serveUntil(ctx context.Context, p *program, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
	}

	failed := make(chan error, 1)

	go func() { failed <- server.Serve(listener) }()

	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}

	p.log.Info("draining requests")

	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()

	if err := server.Shutdown(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("drain requests: %w", err)
	}

	return nil
}
