// Package groupcommit lets concurrent callers share a transaction.
//
// Each caller hands in its item and waits. A free flusher takes the waiting items, at
// most Options.MaxBatch, runs one transaction over them and gives each caller its own
// result. A lone caller is a batch of one and is served immediately. Batches grow by
// themselves if callers arrive faster than transactions end. While callers do, but are few,
// a flusher waits a moment for more of them: small transactions use the processors up.
//
//	callers ──► waiting ──► flusher: BEGIN, batch(items), COMMIT ──► results
//
// Many callers then share one commit, and one round trip for each statement.
package groupcommit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/tally"
)

// ErrClosed is what callers of a closed [Group] get: nothing was done for them.
var ErrClosed = fmt.Errorf("group commit is closed: %w", db.ErrUnavailable)

// A Batch does the work of many callers in one transaction. It returns one
// Result for each item, in the items' order. If the Batch itself returns an error,
// the transaction rolls back and nothing is kept.
//
// A Batch may get the same items again in another transaction: when a commit's
// outcome is unknown, or when another item made the transaction fail. So its work
// for an item must be idempotent; the keys of the rows that it writes ensure that.
type Batch[In, Out any] func(ctx context.Context, tx pgx.Tx, items []In) ([]Result[Out], error)

// A Result is one item's outcome: its value, or why this item alone was refused.
type Result[Out any] struct {
	Value Out
	Err   error
}

// Options bound a [Group].
type Options struct {
	MaxBatch int           // items of one transaction, or their weight; default 256
	Flushers int           // transactions at the same time; default 1
	Timeout  time.Duration // of one transaction, without its commit; default 10 s

	// Gather is how long a flusher waits for more items if some have waited for it, but are less than a quarter
	// of MaxBatch; default 4 ms. Like Postgres' commit_delay, it trades latency for fewer transactions: at a
	// third of capacity it saves a third of Postgres' processor time, and halves the slowest 1 % of latencies.
	Gather time.Duration

	// Observe, if it is set, is called before each transaction, with the contexts of its callers. It returns
	// the transaction's context, and what to call when the transaction has ended. Both must not block.
	Observe func(ctx context.Context, callers []context.Context) (context.Context, func(Observation))

	// Committed is called after each transaction, before its callers get their results. It must not block.
	Committed func()
}

// An Observation is what metrics and traces tell of a transaction.
type Observation struct {
	Items  int // or their weight
	Took   time.Duration
	Counts tally.Counts // what it has done, if it was committed
	Err    error
}

// A Group lets concurrent callers share transactions. It holds at most
// Flushers × MaxBatch items; further callers block in Do.
type Group[In, Out any] struct {
	pool    *pgxpool.Pool
	batch   Batch[In, Out]
	weight  func(In) int
	options Options
	waiting chan *call[In, Out]
	closing chan struct{} // closed by Close: no more callers
	stopped chan struct{} // closed when the last flusher is gone
	once    sync.Once
}

type call[In, Out any] struct {
	ctx    context.Context //nolint:containedctx // the caller's, to skip callers that have left
	item   In
	result chan Result[Out] // buffered: a flusher never waits for a caller
}

// New starts the flushers; Close ends them.
func New[In, Out any](pool *pgxpool.Pool, options Options, batch Batch[In, Out]) *Group[In, Out] {
	return NewWeighted(pool, options, func(In) int { return 1 }, batch)
}

// NewWeighted is [New] for items that are not alike: MaxBatch bounds the sum of their
// weights. An item that is heavier than MaxBatch has a transaction of its own.
func NewWeighted[In, Out any](pool *pgxpool.Pool, options Options, weight func(In) int, batch Batch[In, Out]) *Group[In, Out] {
	if options.MaxBatch <= 0 {
		options.MaxBatch = 256
	}

	if options.Flushers <= 0 {
		options.Flushers = 1
	}

	if options.Timeout <= 0 {
		options.Timeout = 10 * time.Second
	}

	if options.Gather <= 0 {
		options.Gather = 4 * time.Millisecond
	}

	g := &Group[In, Out]{
		pool:    pool,
		batch:   batch,
		weight:  weight,
		options: options,
		waiting: make(chan *call[In, Out], options.MaxBatch*options.Flushers),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}

	var flushers sync.WaitGroup
	for range options.Flushers {
		flushers.Go(g.flush)
	}

	go func() {
		flushers.Wait()
		close(g.stopped)
	}()

	return g
}

// Do hands in item and returns its result. When ctx ends first, Do returns its error
// at once: an item that no flusher has taken will not be done; an item that a flusher
// has taken may be done. After Close, Do returns [ErrClosed].
func (g *Group[In, Out]) Do(ctx context.Context, item In) (Out, error) {
	var none Out

	select {
	case <-g.closing:
		return none, ErrClosed
	default:
	}

	c := &call[In, Out]{ctx: ctx, item: item, result: make(chan Result[Out], 1)}

	select {
	case g.waiting <- c:
	case <-g.closing:
		return none, ErrClosed
	case <-ctx.Done():
		return none, ctx.Err()
	}

	select {
	case r := <-c.result:
		return r.Value, r.Err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-g.stopped:
	}

	// The last flusher has ended: it served this call before, or it did not see it.
	select {
	case r := <-c.result:
		return r.Value, r.Err
	default:
		return none, ErrClosed
	}
}

// Close refuses new callers, serves those that wait, and returns when the last
// transaction has ended. It may be called again.
func (g *Group[In, Out]) Close() {
	g.once.Do(func() { close(g.closing) })
	<-g.stopped
}

// flush takes all waiting items and runs them, again and again until Close.
func (g *Group[In, Out]) flush() {
	var calls []*call[In, Out]

	for next, busy := g.await(), false; next != nil; {
		calls, next = g.take(next, busy)
		busy = g.run(calls) || next != nil

		if next == nil {
			next = g.await()
		}
	}
}

// await returns the next call. After Close, it returns those that still wait, and nil
// when none does.
func (g *Group[In, Out]) await() *call[In, Out] {
	select {
	case c := <-g.waiting:
		return c
	case <-g.closing:
	}

	select {
	case c := <-g.waiting:
		return c
	default:
		return nil
	}
}

// take gathers first and the calls that wait behind it, up to MaxBatch. It waits for more
// only if the group is busy. It leaves out callers that have left. A call that was too heavy
// for what was left of the batch is next.
func (g *Group[In, Out]) take(first *call[In, Out], busy bool) (calls []*call[In, Out], next *call[In, Out]) {
	const enough = 4 // of MaxBatch, the part for which nobody waits

	total := 0

	var patience <-chan time.Time
	if busy {
		patience = time.After(g.options.Gather)
	}

	for c := first; ; {
		if c.ctx.Err() == nil {
			weight := g.weight(c.item)
			if total > 0 && total+weight > g.options.MaxBatch {
				return calls, c
			}

			calls, total = append(calls, c), total+weight
		}

		if total >= g.options.MaxBatch {
			return calls, nil
		}

		select {
		case c = <-g.waiting:
			continue
		default:
		}

		if !busy || total >= g.options.MaxBatch/enough {
			return calls, nil
		}

		select {
		case c = <-g.waiting:
		case <-patience:
			return calls, nil
		case <-g.closing:
			return calls, nil
		}
	}
}

// run does calls in one transaction. If an item makes it fail, run halves the calls
// until the item at fault is alone. A fault of the database is no item's: all callers
// get it at once, and retry by their own rules. It tells whether other callers have waited
// meanwhile. A caller that gets its result and comes back at once has not.
func (g *Group[In, Out]) run(calls []*call[In, Out]) (busy bool) {
	if len(calls) == 0 {
		return false
	}

	results, err := g.retry(calls)
	busy = len(g.waiting) > 0

	switch {
	case err == nil:
		if g.options.Committed != nil {
			g.options.Committed()
		}

		for i, c := range calls {
			c.result <- results[i]
		}
	case len(calls) == 1 || db.Unavailable(err):
		for _, c := range calls {
			c.result <- Result[Out]{Err: db.Error(err)}
		}
	default:
		half := len(calls) / 2
		g.run(calls[:half])
		g.run(calls[half:])
	}

	return busy
}

// retry does calls in a transaction, and again if the transaction conflicted with
// another one or its commit's outcome is unknown, for as long as one transaction may
// take. Running again resolves an unknown outcome: the keys of the first transaction's
// rows make the next one wait until the first has ended, and then it finds the rows
// or not.
func (g *Group[In, Out]) retry(calls []*call[In, Out]) ([]Result[Out], error) {
	const pause, longestPause = 10 * time.Millisecond, 500 * time.Millisecond

	items := make([]In, len(calls))
	for i, c := range calls {
		items[i] = c.item
	}

	deadline := time.Now().Add(g.options.Timeout)
	unknown := false

	for wait := pause; ; wait = min(2*wait, longestPause) {
		results, err := g.observe(calls, items)
		unknown = unknown || errors.Is(err, db.ErrCommitUnknown)

		again := db.Conflicted(err) || unknown && db.Unavailable(err)
		if again && time.Now().Add(wait).Before(deadline) {
			time.Sleep(wait) //nolint:forbidigo // the other transaction, or the server, needs a moment

			continue
		}

		if err != nil && unknown {
			err = fmt.Errorf("%w: %w", db.ErrCommitUnknown, err)
		}

		return results, err
	}
}

// observe is transact, for an observer if there is one.
func (g *Group[In, Out]) observe(calls []*call[In, Out], items []In) ([]Result[Out], error) {
	// The callers' contexts do not bound it: a caller that leaves must not fail the others.
	ctx := context.Background()
	if g.options.Observe == nil {
		return g.transact(ctx, items)
	}

	callers := make([]context.Context, len(calls))
	o := Observation{}

	for i, c := range calls {
		callers[i] = c.ctx //nolint:fatcontext // each is another caller's
		o.Items += g.weight(c.item)
	}

	ctx, ended := g.options.Observe(ctx, callers)
	ctx, o.Counts = tally.With(ctx)

	began := time.Now()
	results, err := g.transact(ctx, items)
	o.Took, o.Err = time.Since(began), err

	ended(o)

	return results, err
}

func (g *Group[In, Out]) transact(ctx context.Context, items []In) (results []Result[Out], err error) {
	ctx, cancel := context.WithTimeout(ctx, g.options.Timeout)
	defer cancel()

	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in batch: %v\n%s", p, debug.Stack())
		}
	}()

	err = db.InTx(ctx, g.pool, func(tx pgx.Tx) error {
		results, err = g.batch(ctx, tx, items)
		if err == nil && len(results) != len(items) {
			err = fmt.Errorf("batch returned %d results for %d items", len(results), len(items))
		}

		return err
	})

	return results, err
}
