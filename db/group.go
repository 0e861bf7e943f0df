package db

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrClosed is what callers of a closed [GroupCommit] get: nothing was done for them.
var ErrClosed = errors.New("group commit is closed")

// A Batch does the work of many callers in one transaction. It returns one
// Result for each item, in the items' order. An error of its own means that
// nothing may be kept: the transaction rolls back.
//
// The same items may be given to it again in another transaction, when a commit's
// outcome is unknown or a neighbour has spoilt the batch. So what it does for an
// item must happen once however often it is asked, which the keys of the rows it
// writes see to.
type Batch[In, Out any] func(ctx context.Context, tx pgx.Tx, items []In) ([]Result[Out], error)

// A Result is one item's outcome: its value, or why this item alone was refused.
type Result[Out any] struct {
	Value Out
	Err   error
}

// GroupOptions bound a [GroupCommit].
type GroupOptions struct {
	MaxBatch int           // items of one transaction; default 256
	Flushers int           // transactions at the same time; default 1
	Timeout  time.Duration // of one transaction, its commit apart; default 10 s

	// Committed is called after each transaction, before its callers get their results. It must not block.
	Committed func()
}

// GroupCommit lets concurrent callers share a transaction. A caller hands in its
// item and waits; whichever flusher is free takes all that wait, runs one
// transaction over them and gives each its own result. There is no timer: a lone
// caller is a batch of one and is served at once, and batches grow by themselves
// as transactions take longer than callers take to arrive.
//
//	callers ──► waiting ──► flusher: BEGIN, batch(items), COMMIT ──► results
//
// One commit, and one round trip a statement, is then paid by many. At most
// Flushers × MaxBatch items are held; further callers block in Do.
type GroupCommit[In, Out any] struct {
	pool    *pgxpool.Pool
	batch   Batch[In, Out]
	options GroupOptions
	waiting chan *call[In, Out]
	closing chan struct{} // closed by Close: no more callers
	stopped chan struct{} // closed when the last flusher is gone
	once    sync.Once
}

type call[In, Out any] struct {
	ctx    context.Context //nolint:containedctx // the caller's, to pass over those who have left
	item   In
	result chan Result[Out] // buffered: a flusher never waits for a caller
}

// NewGroupCommit starts the flushers; Close ends them.
func NewGroupCommit[In, Out any](pool *pgxpool.Pool, options GroupOptions, batch Batch[In, Out]) *GroupCommit[In, Out] {
	if options.MaxBatch <= 0 {
		options.MaxBatch = 256
	}

	if options.Flushers <= 0 {
		options.Flushers = 1
	}

	if options.Timeout <= 0 {
		options.Timeout = 10 * time.Second
	}

	g := &GroupCommit[In, Out]{
		pool:    pool,
		batch:   batch,
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

// Do has item done together with those of other callers and returns its result.
// When ctx ends first, Do returns its error at once: an item no flusher has taken
// yet will not be done, one that is being done may still be. After Close it
// returns [ErrClosed].
func (g *GroupCommit[In, Out]) Do(ctx context.Context, item In) (Out, error) {
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

	// The last flusher is gone: either it served this call on its way out, or the
	// call came in behind its last look.
	select {
	case r := <-c.result:
		return r.Value, r.Err
	default:
		return none, ErrClosed
	}
}

// Close turns new callers away, serves those who wait, and returns when the last
// transaction has ended. It may be called again.
func (g *GroupCommit[In, Out]) Close() {
	g.once.Do(func() { close(g.closing) })
	<-g.stopped
}

// flush is a flusher's life: take all that wait, do them, again.
func (g *GroupCommit[In, Out]) flush() {
	for {
		select {
		case c := <-g.waiting:
			g.run(g.take(c))
		case <-g.closing:
			for calls := g.take(nil); len(calls) > 0; calls = g.take(nil) {
				g.run(calls)
			}

			return
		}
	}
}

// take gathers first, if any, and whoever waits behind it without waiting for
// more, and leaves out callers who have gone.
func (g *GroupCommit[In, Out]) take(first *call[In, Out]) []*call[In, Out] {
	var calls []*call[In, Out]

	add := func(c *call[In, Out]) {
		if c != nil && c.ctx.Err() == nil {
			calls = append(calls, c)
		}
	}

	for add(first); len(calls) < g.options.MaxBatch; {
		select {
		case c := <-g.waiting:
			add(c)
		default:
			return calls
		}
	}

	return calls
}

// run does calls in one transaction. If an item spoils it, halves are tried until
// the one at fault stands alone. A fault of the database is no item's: all get it
// at once, and try again by their own rules.
func (g *GroupCommit[In, Out]) run(calls []*call[In, Out]) {
	if len(calls) == 0 {
		return
	}

	results, err := g.try(calls)

	switch {
	case err == nil:
		if g.options.Committed != nil {
			g.options.Committed()
		}

		for i, c := range calls {
			c.result <- results[i]
		}
	case len(calls) == 1 || unavailable(err):
		for _, c := range calls {
			c.result <- Result[Out]{Err: Error(err)}
		}
	default:
		half := len(calls) / 2
		g.run(calls[:half])
		g.run(calls[half:])
	}
}

// try does calls in a transaction, and again, for as long as a transaction may
// take, when it lost against another one or its commit's outcome is unknown.
// Running again is how that is resolved: the keys of the first try's rows make
// the next one wait until the first is decided, and then find them or not.
func (g *GroupCommit[In, Out]) try(calls []*call[In, Out]) ([]Result[Out], error) {
	const pause, longestPause = 10 * time.Millisecond, 500 * time.Millisecond

	items := make([]In, len(calls))
	for i, c := range calls {
		items[i] = c.item
	}

	deadline := time.Now().Add(g.options.Timeout)
	unknown := false

	for wait := pause; ; wait = min(2*wait, longestPause) {
		results, err := g.transact(items)
		unknown = unknown || errors.Is(err, ErrCommitUnknown)

		again := conflicted(err) || unknown && unavailable(err)
		if again && time.Now().Add(wait).Before(deadline) {
			time.Sleep(wait) //nolint:forbidigo // the other transaction, or the server, needs a moment

			continue
		}

		if err != nil && unknown {
			err = fmt.Errorf("%w: %w", ErrCommitUnknown, err)
		}

		return results, err
	}
}

func (g *GroupCommit[In, Out]) transact(items []In) (results []Result[Out], err error) {
	// The callers' contexts do not bound it: one who leaves must not spoil the others.
	ctx, cancel := context.WithTimeout(context.Background(), g.options.Timeout)
	defer cancel()

	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in batch: %v\n%s", p, debug.Stack())
		}
	}()

	err = InTx(ctx, g.pool, func(tx pgx.Tx) error {
		results, err = g.batch(ctx, tx, items)
		if err == nil && len(results) != len(items) {
			err = fmt.Errorf("batch returned %d results for %d items", len(results), len(items))
		}

		return err
	})

	return results, err
}
