package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"riverqueue.com/riverui"

	"orders/api"
	"orders/db"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // of a whole request, a body that nobody asked for included
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	drainTimeout  = 30 * time.Second // for requests and jobs that run when the program is told to end
)

// commits are the group commits that requests share transactions through.
type commits struct {
	place  *db.GroupCommit[flow.Placement, flow.Placed]
	cancel *db.GroupCommit[flow.Cancellation, order.Order]
	pay    *db.GroupCommit[flow.Payment, order.Order]
}

// Close serves those who wait. It is for when no request is left.
func (c *commits) Close() {
	c.place.Close()
	c.cancel.Close()
	c.pay.Close()
}

// newAPI assembles the HTTP side on a pool.
func newAPI(ctx context.Context, p *program, pool *pgxpool.Pool) (http.Handler, *commits, error) {
	queue, err := jobs.NewClient(pool, p.quiet, p.jobs())
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

	announced := db.GroupOptions{Committed: db.NewAnnouncer(pool).Changed}
	c := &commits{
		place:  db.NewGroupCommit(pool, db.GroupOptions{}, flow.Place(queue)), // nobody watches an order before it is placed
		cancel: db.NewGroupCommit(pool, announced, flow.Cancel),
		pay:    db.NewGroupCommit(pool, announced, flow.Pay(queue)),
	}

	watch := api.NewWatch(api.WatchOptions{Pool: pool, Log: p.log})
	context.AfterFunc(ctx, watch.Close) // streams last long: draining does not wait for them

	handler := api.New(api.Options{ //nolint:contextcheck // requests bring their own
		Pool:    pool,
		Place:   c.place.Do,
		Cancel:  c.cancel.Do,
		Pay:     c.pay.Do,
		Queue:   queue,
		Watch:   watch,
		RiverUI: ui,
		Ready:   ready(pool),
		Log:     p.log,
		Version: version,

		Pressure:     newPressure(ctx, p, pool),
		RedriveAfter: p.compensation().RedriveAfter,
	})

	return handler, c, nil
}

// newPressure starts what refuses orders while work waits too long, unless it never is to.
func newPressure(ctx context.Context, p *program, pool *pgxpool.Pool) *api.Pressure {
	if p.MaxWait == 0 {
		return nil
	}

	pressure := api.NewPressure(api.PressureOptions{Pool: pool, Log: p.log, MaxWait: p.MaxWait})
	go pressure.Run(ctx)

	return pressure
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
		ReadTimeout:       readTimeout,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug), // of connections that break
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
