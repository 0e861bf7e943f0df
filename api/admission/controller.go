// Package admission keeps the API from accepting more work than the workers can do.
//
// An [InFlight] limits the requests in flight in this process. A [Controller] sheds load:
// it refuses new orders while their work would wait too long in the queues. It works with
// any number of serve and work processes.
package admission

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/jobqueue"
	"orders/jobs"
	"orders/order"
)

const (
	readEvery   = time.Second // how often the backlogs are read
	maxFailures = 5           // readings that may fail in a row until nothing is known
)

// Options are what a [Controller] works with.
type Options struct {
	Pool    *pgxpool.Pool
	Log     *slog.Logger
	MaxWait time.Duration // how long an order's work may wait
}

// A Controller is the admission controller. It keeps orders from being accepted faster
// than their work is done. Once a second it reads the backlog and estimates how long a
// new order's work would wait. If that is too long, it refuses orders. A request needs
// neither a transaction nor a lock for this decision.
//
// If it refused either all orders or none, the load would swing between the two. So it
// refuses a share that grows with the wait: none up to MaxWait, all from 1.5 times
// MaxWait. In between there is a wait at which orders are accepted as fast as their work
// is done, for any number of serve processes. Retry-After tells a refused client when the
// wait is expected to be below MaxWait.
//
//	wait       0 ───────────── MaxWait ──────────── 1.5 MaxWait ─────
//	accepted        all           │   fewer and fewer    │    none
type Controller struct {
	Options

	wait       atomic.Int64 // estimated, in nanoseconds
	estimators map[string]*waitEstimator
	failures   int  // readings in a row
	over       bool // whether the wait was over MaxWait at the last reading
}

// NewController makes a controller that accepts everything until it runs.
func NewController(o Options) *Controller {
	return &Controller{Options: o, estimators: map[string]*waitEstimator{}}
}

// Run reads the backlogs once a second until ctx ends.
func (c *Controller) Run(ctx context.Context) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()

	for {
		c.read(ctx)

		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// read takes the longest wait of the queues that every order has work in. A reading
// that fails changes nothing. After some of them in a row nothing is known, and orders
// are accepted: if the database is away, placing an order fails with that error itself.
func (c *Controller) read(ctx context.Context) {
	reading, cancel := context.WithTimeout(ctx, readEvery)
	defer cancel()

	backlogs, err := jobqueue.Backlogs(reading, c.Pool, jobs.StepQueues())

	switch {
	case ctx.Err() != nil:
		return
	case err == nil:
		c.failures = 0
	default:
		if c.failures++; c.failures == maxFailures {
			c.Log.WarnContext(ctx, "how long work waits is not known", "error", err)
			clear(c.estimators)
			c.set(ctx, 0)
		}

		return
	}

	var longest time.Duration

	for _, b := range backlogs {
		if c.estimators[b.Queue] == nil {
			c.estimators[b.Queue] = &waitEstimator{}
		}

		longest = max(longest, c.estimators[b.Queue].next(b))
	}

	c.set(ctx, longest)
}

func (c *Controller) set(ctx context.Context, wait time.Duration) {
	c.wait.Store(int64(wait))

	if over := wait > c.MaxWait; over != c.over {
		c.over = over

		if over {
			c.Log.WarnContext(ctx, "work waits too long: orders are refused", "wait", wait.Round(readEvery), "max_wait", c.MaxWait)
		} else {
			c.Log.InfoContext(ctx, "orders are accepted again", "wait", wait.Round(readEvery))
		}
	}
}

// Limit is the middleware of an operation that makes work. A nil controller never refuses.
func (c *Controller) Limit(ctx huma.Context, next func(huma.Context)) {
	if c != nil {
		if err := c.admit(); err != nil {
			refuse(ctx, err)

			return
		}
	}

	next(ctx)
}

// admit refuses an order with [order.Overloaded], or accepts it.
func (c *Controller) admit() error {
	wait := time.Duration(c.wait.Load())
	if rand.Float64() >= refusedShare(wait, c.MaxWait) { //nolint:gosec // it draws a share, not a secret
		return nil
	}

	refusal := order.Errorf(order.Overloaded,
		"The work of a new order would wait about %.0f s, which is too long; try again after Retry-After.", wait.Seconds())
	refusal.RetryAfter = wait - c.MaxWait

	return refusal
}

// refusedShare is the share of orders to refuse.
func refusedShare(wait, maxWait time.Duration) float64 {
	return min(max(0, 2*float64(wait-maxWait)/float64(maxWait)), 1)
}
