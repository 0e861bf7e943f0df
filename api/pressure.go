package api

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/jobs"
	"orders/order"
)

// PressureOptions are what a [Pressure] works with.
type PressureOptions struct {
	Pool    *pgxpool.Pool
	Log     *slog.Logger
	MaxWait time.Duration // how long an order's work may wait
}

// A Pressure keeps orders from being accepted faster than their work is done: it
// knows, from a reading a second, how long a new order's work would wait, and
// refuses orders when that is too long. Asking it costs neither a transaction nor
// a lock.
//
// It does not refuse all or none, which would send everybody away and then let
// everybody in, but a share that grows with the wait: none up to MaxWait, all from
// half as much again. In between is where what is accepted equals what is worked
// off, whatever number of processes accept. A refused client is told to come back
// when the wait is expected to be under MaxWait.
//
//	wait       0 ───────────── MaxWait ──────────── 1.5 MaxWait ─────
//	accepted        all           │   fewer and fewer    │    none
type Pressure struct {
	PressureOptions

	wait     atomic.Int64 // projected, in nanoseconds
	paces    map[string]*pace
	failures int  // readings in a row
	over     bool // the bound, at the last reading
}

// NewPressure makes a pressure that accepts everything until it runs.
func NewPressure(o PressureOptions) *Pressure {
	return &Pressure{PressureOptions: o, paces: map[string]*pace{}}
}

// Run reads the backlogs once a second until ctx ends.
func (p *Pressure) Run(ctx context.Context) {
	tick := time.NewTicker(sampled)
	defer tick.Stop()

	for {
		p.look(ctx)

		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look takes the worst of the queues that every order has work in. A reading that
// fails changes nothing, but after some of them in a row nothing is known, and
// orders are accepted: if the database is away, placing them says so itself.
func (p *Pressure) look(ctx context.Context) {
	reading, cancel := context.WithTimeout(ctx, sampled)
	defer cancel()

	backlogs, err := db.Backlogs(reading, p.Pool, []string{jobs.QueueInventory, jobs.QueuePoints, jobs.QueueNotification})

	switch {
	case ctx.Err() != nil:
		return
	case err == nil:
		p.failures = 0
	default:
		if p.failures++; p.failures == forgetful {
			p.Log.WarnContext(ctx, "how long work waits is not known", "error", err)
			clear(p.paces)
			p.set(ctx, 0)
		}

		return
	}

	var worst time.Duration

	for _, b := range backlogs {
		if p.paces[b.Queue] == nil {
			p.paces[b.Queue] = &pace{}
		}

		worst = max(worst, p.paces[b.Queue].next(b))
	}

	p.set(ctx, worst)
}

func (p *Pressure) set(ctx context.Context, wait time.Duration) {
	p.wait.Store(int64(wait))

	if over := wait > p.MaxWait; over != p.over {
		p.over = over

		if over {
			p.Log.WarnContext(ctx, "work waits too long: orders are refused", "wait", wait.Round(sampled), "max_wait", p.MaxWait)
		} else {
			p.Log.InfoContext(ctx, "orders are accepted again", "wait", wait.Round(sampled))
		}
	}
}

// admit refuses an order, or does not. No pressure at all never refuses.
func (p *Pressure) admit() error {
	if p == nil {
		return nil
	}

	wait := time.Duration(p.wait.Load())
	if rand.Float64() >= refused(wait, p.MaxWait) { //nolint:gosec // a lot, not a secret
		return nil
	}

	refusal := order.Errorf(order.Overloaded,
		"The work of a new order would wait about %.0f s, which is too long; try again after Retry-After.", wait.Seconds())
	refusal.RetryAfter = wait - p.MaxWait

	return refusal
}

// refused is the share of orders to refuse.
func refused(wait, maxWait time.Duration) float64 {
	return min(max(0, 2*float64(wait-maxWait)/float64(maxWait)), 1)
}
