package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"riverqueue.com/riverui"

	"orders/api"
	"orders/api/admission"
	"orders/api/stream"
	"orders/db"
	"orders/db/change"
	"orders/db/clock"
	"orders/db/groupcommit"
	"orders/db/jobqueue"
	"orders/db/schema"
	"orders/db/stats"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // of a whole request, including a body that no handler reads
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	drainTimeout  = 30 * time.Second // for requests and jobs that run when a signal ends the program
)

// commits are the group commits that requests share transactions through, and the count of
// those that are refused.
type commits struct {
	place   *groupcommit.Group[flow.Placement, flow.Placed]
	cancel  *groupcommit.Group[flow.Cancellation, flow.Changed]
	pay     *groupcommit.Group[flow.Payment, flow.Changed]
	refused *stats.Refusals
}

// count counts a refused request.
func (c *commits) count(cause order.Code) { c.refused.Add(string(cause)) }

// Close commits what callers wait for. Call it when no request is running.
func (c *commits) Close() {
	c.place.Close()
	c.cancel.Close()
	c.pay.Close()
	c.refused.Close()
}

// newAPI assembles the HTTP handler of the API.
func newAPI(ctx context.Context, p *program, pool *pgxpool.Pool, queues *jobqueue.Watch, dev bool) (
	http.Handler, *commits, error,
) {
	keys, err := newKeyring(ctx, p, pool, dev)
	if err != nil {
		return nil, nil, err
	}

	queue, err := jobs.NewClient(pool, p.quiet, p.jobs(), p.traces.Middleware()...)
	if err != nil {
		return nil, nil, err
	}

	ui, err := startRiverUI(ctx, p, queue)
	if err != nil {
		return nil, nil, err
	}

	now := clock.New(p.log)
	go now.Follow(ctx, pool)

	changed := change.NewNotifier(pool).Changed
	c := &commits{
		// No client watches an order before it is placed, so placing notifies nobody.
		place:  groupcommit.New(pool, groupcommit.Options{Observe: p.metrics.Batch("place")}, flow.PlaceSharing(queue, p.OrdersPerJob)),
		cancel: groupcommit.New(pool, groupcommit.Options{Committed: changed, Observe: p.metrics.Batch("cancel")}, flow.Cancel),
		pay:    groupcommit.New(pool, groupcommit.Options{Committed: changed, Observe: p.metrics.Batch("pay")}, flow.Pay(queue)),

		refused: stats.NewRefusals(pool, p.log, now.Now),
	}
	go c.refused.Run(ctx)

	watch := stream.NewWatch(stream.Options{Pool: pool, Link: p.link, Log: p.log, Encode: api.EncodeOrder})
	context.AfterFunc(ctx, watch.Close) // streams last for minutes: draining must not wait for them

	handler := api.New(api.Options{ //nolint:contextcheck // requests bring their own
		Pool:    pool,
		Place:   p.metrics.Place(c.place.Do),
		Cancel:  c.cancel.Do,
		Pay:     c.pay.Do,
		Queue:   queue,
		Watch:   watch,
		RiverUI: ui,
		Ready:   ready(pool),
		Clock:   now,
		Warns:   func() []string { return sentences(append(queues.Warnings(), now.Warning())...) },
		Metrics: p.metrics.Handler(),
		Log:     p.log,
		Version: version,
		Origins: p.Origins,

		Observed:     p.metrics.Request,
		Keys:         keys,
		Hosts:        p.Hosts,
		Admission:    newAdmission(ctx, p, pool, c.count),
		Refused:      c.count,
		AllowPrivate: p.WebhookAllowPrivate,
		RedriveAfter: p.RedriveAfter,
	})

	return p.traces.Handler(handler), c, nil
}

// startRiverUI makes River UI and starts its background queries.
func startRiverUI(ctx context.Context, p *program, queue *flow.Queue) (http.Handler, error) {
	ui, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(queue, nil),
		Logger:    p.quiet,
		Prefix:    "/riverui",
	})
	if err != nil {
		return nil, fmt.Errorf("make River UI: %w", err)
	}

	if err := ui.Start(ctx); err != nil {
		return nil, fmt.Errorf("start River UI: %w", err)
	}

	return ui, nil
}

// newAdmission starts the admission controller. There is none if ORDERS_MAX_WAIT is 0.
func newAdmission(ctx context.Context, p *program, pool *pgxpool.Pool, count admission.Count) *admission.Controller {
	if p.MaxWait == 0 {
		return nil
	}

	controller := admission.NewController(admission.Options{Pool: pool, Log: p.log, MaxWait: p.MaxWait, Count: count})
	go controller.Run(ctx)

	return controller
}

// ready checks that the database can be reached and takes writes, that its schema fits, and
// that orders can be placed.
func ready(pool *pgxpool.Pool) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := db.CheckWritable(ctx, pool); err != nil {
			return err
		}

		if err := schema.Check(ctx, pool); err != nil {
			return err
		}

		return schema.CheckPlacing(ctx, pool)
	}
}

// sentences are those that say something.
func sentences(all ...string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// listen opens the address. Call it early: a port that is taken should be reported
// before a database is started.
func listen(ctx context.Context, address, variable string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; set %s to another address", err, variable)
	}

	return listener, nil
}

// serveUntil serves until ctx ends, and then waits for the requests in flight.
func serveUntil(ctx context.Context, p *program, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug), // errors of single connections
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
