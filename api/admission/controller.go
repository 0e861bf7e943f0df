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

	newSamples  = 64          // of the jobs of a second
	allSamples  = 1_024       // of all jobs that wait, when little is known of them
	maxArrivals = 16_384      // above it, all jobs are sampled anew
	keptArrived = time.Minute // before the oldest head: a rescued job keeps its place, which has been passed
)

// Options are what a [Controller] works with.
type Options struct {
	Pool    *pgxpool.Pool
	Log     *slog.Logger
	MaxWait time.Duration // how long an order's work may wait
	Count   Count
}

// A Controller is the admission controller. It keeps orders from being accepted faster
// than their work is done. Once a second it reads the backlog and estimates how long a
// new order's work would wait. If that is too long, it refuses orders. A request needs
// neither a transaction nor a lock for this decision.
//
// It looks only at queues that are not paused and that a living worker works. Accepting an order
// needs the database only, and its work is durable. So a queue that stands still is reported, and
// no order is refused for it.
//
// If it refused either all orders or none, the load would swing between the two. So it
// refuses a share that grows with the wait: none up to MaxWait, all from 1.5 times
// MaxWait. In between there is a wait at which orders are accepted as fast as their work
// is done, for any number of serve processes. Retry-After tells a refused client when the
// wait is expected to be below MaxWait.
//
//	wait       0 ───────────── MaxWait ──────────── 1.5 MaxWait ─────
//	accepted        all           │   fewer and fewer    │    half of what the workers do
//
// After an outage the wait may be far above that. Half of what the workers do is still accepted, so
// the backlog shrinks and new orders get in.
type Controller struct {
	Options

	verdict    atomic.Pointer[verdict]
	reader     jobqueue.Reader
	refused    refusals
	work       *arrivals
	estimators map[string]*waitEstimator
	room       float64   // the share of orders that fills half of what the workers do
	arrived    float64   // work up to the last reading
	read       time.Time // the last reading
	failures   int       // readings in a row
}

// A verdict is what requests are decided by.
type verdict struct {
	queue string        // the one with the longest wait
	wait  time.Duration // estimated
	share float64       // of orders to refuse
}

// NewController makes a controller that accepts everything until it runs.
func NewController(o Options) *Controller {
	c := &Controller{Options: o, refused: refusals{log: o.Log, cause: order.Overloaded, count: o.Count}}
	c.forget()

	return c
}

// forget makes the controller accept everything, as nothing is known.
func (c *Controller) forget() {
	c.estimators, c.work, c.room, c.read = map[string]*waitEstimator{}, nil, 1, time.Time{}
	c.verdict.Store(&verdict{})
}

// Run reads the backlogs once a second until ctx ends.
func (c *Controller) Run(ctx context.Context) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()

	for {
		c.decide(ctx)

		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// decide makes a new verdict. A reading that fails changes nothing. After some of them in a row
// nothing is known, and orders are accepted: if the database is away, placing an order fails with
// that error itself.
func (c *Controller) decide(ctx context.Context) {
	reading, cancel := context.WithTimeout(ctx, readEvery)
	defer cancel()

	backlogs, err := c.reader.Backlogs(reading, c.Pool, jobs.StepQueues())
	if err == nil {
		err = c.count(reading, backlogs)
	}

	switch {
	case ctx.Err() != nil:
	case err == nil:
		c.failures = 0
		c.judge(backlogs)
	default:
		if c.failures++; c.failures == maxFailures {
			c.Log.WarnContext(ctx, "how long work waits is not known", "error", err)
			c.forget()
		}
	}
}

// count counts the work that was enqueued since the last reading. If what is known does not reach
// back to all heads, it samples all jobs that wait.
func (c *Controller) count(ctx context.Context, backlogs []jobqueue.Backlog) error {
	oldest, first := backlogs[0].At, backlogs[0].Last+1

	for _, b := range backlogs {
		if b.Obstacle() == "" && b.Waiting == jobqueue.HeadJobs {
			oldest = earlier(oldest, b.Head)
			first = min(first, b.First)
		}
	}

	samples := newSamples

	if c.work == nil || oldest.Before(c.work.from) || len(c.work.list) > maxArrivals {
		c.work = &arrivals{from: oldest, last: first - 1}
		c.read = time.Time{}
		samples = allSamples
	}

	last := max(c.work.last, backlogs[0].Last) // the newest job may already be gone

	newer, err := jobqueue.Arrivals(ctx, c.Pool, c.work.last, last, samples)
	if err != nil {
		c.work = nil

		return err
	}

	c.work.add(newer)
	c.work.last = last
	c.work.forget(oldest.Add(-keptArrived))

	return nil
}

// judge takes the longest wait of the queues that every order has work in.
func (c *Controller) judge(backlogs []jobqueue.Backlog) {
	var (
		v    verdict
		rate float64
	)

	for _, b := range backlogs {
		e := c.estimators[b.Queue]
		if e == nil {
			e = &waitEstimator{}
			c.estimators[b.Queue] = e
		}

		if wait := e.next(b, c.work); wait > v.wait {
			v.queue, v.wait, rate = b.Queue, wait, e.rate
		}
	}

	if took := backlogs[0].At.Sub(c.read).Seconds(); !c.read.IsZero() && took > 0 {
		c.room = roomFor((c.work.total()-c.arrived)/took, rate, c.verdict.Load().share, c.room)
	}

	c.read, c.arrived = backlogs[0].At, c.work.total()
	v.share = min(refusedShare(v.wait, c.MaxWait), 1-c.room)
	c.verdict.Store(&v)
}

// Limit is the middleware of an operation that makes work. A nil controller never refuses.
func (c *Controller) Limit(ctx huma.Context, next func(huma.Context)) {
	if c != nil {
		if err := c.admit(ctx.Context()); err != nil {
			refuse(ctx, err)

			return
		}
	}

	next(ctx)
}

// admit refuses an order with [order.Overloaded], or accepts it.
func (c *Controller) admit(ctx context.Context) error {
	v := c.verdict.Load()
	if rand.Float64() >= v.share { //nolint:gosec // it draws a share, not a secret
		return nil
	}

	if c.refused.note() {
		c.refused.begin(ctx, "queue", v.queue, "wait", v.wait.Round(readEvery), "max_wait", c.MaxWait)
	}

	refusal := order.Errorf(order.Overloaded,
		"The %s queue is overloaded: the work of a new order would wait there for about %.0f s; try again after Retry-After.",
		v.queue, v.wait.Seconds())
	refusal.RetryAfter = v.wait - c.MaxWait

	return refusal
}

// refusedShare is the share of orders to refuse, as far as there is room for none.
func refusedShare(wait, maxWait time.Duration) float64 {
	return min(max(0, 2*float64(wait-maxWait)/float64(maxWait)), 1)
}

// roomFor is the share of orders to accept in any case, for the next second. It makes the work that
// arrives half of what the workers do: arriving and rate are both of all processes, in orders a
// second. While orders are refused, how many are sent is not known. So the share is changed step by step.
func roomFor(arriving, rate, refusing, room float64) float64 {
	const (
		part     = 0.5
		maxStep  = 2
		smallest = 1.0 / 64
	)

	change := maxStep * 1.0
	if arriving > 0 {
		change = part * rate / arriving
	}

	if refusing == 0 {
		room = 1
	} else {
		change = min(max(change, 1.0/maxStep), maxStep)
	}

	return min(max(room*change, smallest), 1)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}

	return a
}
