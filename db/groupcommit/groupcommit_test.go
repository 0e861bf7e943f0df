package groupcommit_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/groupcommit"
)

// double is a batch whose results are the doubled items. It counts batches.
func double(batches *atomic.Int64) groupcommit.Batch[int, int] {
	return func(_ context.Context, _ pgx.Tx, items []int) ([]groupcommit.Result[int], error) {
		batches.Add(1)

		results := make([]groupcommit.Result[int], len(items))
		for i, item := range items {
			results[i].Value = 2 * item
		}

		return results, nil
	}
}

// gate is a batch that waits to be let through, so that callers gather behind it.
type gate struct {
	entered chan []int
	leave   chan struct{}
}

func newGate() *gate { return &gate{entered: make(chan []int), leave: make(chan struct{})} }

func (g *gate) batch(_ context.Context, _ pgx.Tx, items []int) ([]groupcommit.Result[int], error) {
	g.entered <- slices.Clone(items)
	<-g.leave

	return make([]groupcommit.Result[int], len(items)), nil
}

func newGroup[Out any](tb testing.TB, options groupcommit.Options, batch groupcommit.Batch[int, Out]) *groupcommit.Group[int, Out] {
	tb.Helper()

	group := groupcommit.New(dbtest.Pool(tb), options, batch)
	tb.Cleanup(group.Close)

	return group
}

func TestGroupServesALoneCallerAtOnce(t *testing.T) {
	t.Parallel()

	var batches atomic.Int64

	group := newGroup(t, groupcommit.Options{Gather: time.Hour}, double(&batches))

	const calls = 100 // it may come back before the flusher is done with it

	for i := range calls {
		got, err := group.Do(t.Context(), i)
		if err != nil || got != 2*i {
			t.Fatalf("Do(%d) = %d, %v", i, got, err)
		}
	}

	// A lone caller waits for no timer and no other caller: each call was a batch of its own.
	if n := batches.Load(); n != calls {
		t.Errorf("%d batches for %d calls, one after the other", n, calls)
	}
}

// Callers that have waited for a flusher, but are few, wait for more: for a quarter of a batch,
// for a moment, or until the group is closed.
func TestABusyGroupGathersCallers(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		gather time.Duration
		then   func(group *groupcommit.Group[int, int], call func(item int))
		want   []int
	}{
		"until they are enough": {time.Hour, func(_ *groupcommit.Group[int, int], call func(int)) { call(2) }, []int{1, 2}},
		"for a moment":          {time.Millisecond, func(*groupcommit.Group[int, int], func(int)) {}, []int{1}},
		"until it is closed":    {time.Hour, func(group *groupcommit.Group[int, int], _ func(int)) { go group.Close() }, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var callers sync.WaitGroup

			g := newGate()
			group := newGroup(t, groupcommit.Options{MaxBatch: 8, Gather: c.gather}, g.batch)
			call := func(item int) { callers.Go(func() { _, _ = group.Do(context.Background(), item) }) }

			call(0)
			<-g.entered

			call(1)

			for group.Waiting() == 0 {
				runtime.Gosched()
			}

			g.leave <- struct{}{}

			c.then(group, call)

			batch := <-g.entered
			slices.Sort(batch)

			if !slices.Equal(batch, c.want) {
				t.Errorf("the next batch is %d, want %d", batch, c.want)
			}

			g.leave <- struct{}{}

			callers.Wait()
		})
	}
}

func TestCommittedIsCalledBeforeResults(t *testing.T) {
	t.Parallel()

	var batches, committed atomic.Int64

	group := newGroup(t, groupcommit.Options{Committed: func() { committed.Add(1) }}, double(&batches))

	for n := range 3 {
		if _, err := group.Do(t.Context(), n); err != nil {
			t.Fatal(err)
		}

		if committed.Load() != int64(n+1) {
			t.Errorf("%d calls of Committed before the result of %d", committed.Load(), n+1)
		}
	}
}

func TestGroupGivesEachCallerItsResult(t *testing.T) {
	t.Parallel()

	var (
		batches atomic.Int64
		callers sync.WaitGroup
	)

	group := newGroup(t, groupcommit.Options{MaxBatch: 50}, double(&batches))

	const n = 1_000

	for i := range n {
		callers.Go(func() {
			if got, err := group.Do(t.Context(), i); err != nil || got != 2*i {
				t.Errorf("Do(%d) = %d, %v", i, got, err)
			}
		})
	}

	callers.Wait()

	if got := batches.Load(); got >= n {
		t.Errorf("%d batches for %d concurrent calls: nothing was shared", got, n)
	}
}

func TestGroupBoundsABatch(t *testing.T) {
	t.Parallel()

	const maxBatch, waiting = 4, 11

	g := newGate()
	group := newGroup(t, groupcommit.Options{MaxBatch: maxBatch, Flushers: 1}, g.batch)

	var callers sync.WaitGroup

	call := func() { _, _ = group.Do(context.Background(), 0) }

	callers.Go(call)
	<-g.entered // the first call holds the only flusher; the others gather, some of them still in Do

	for range waiting {
		callers.Go(call)
	}

	served := 0

	g.leave <- struct{}{}

	for served < waiting {
		items := <-g.entered
		if len(items) > maxBatch {
			t.Errorf("a batch of %d, bound is %d", len(items), maxBatch)
		}

		served += len(items)
		g.leave <- struct{}{}
	}

	callers.Wait()
}

// The items are their own weights. Those that wait are cut where their sum would pass the bound.
func TestGroupBoundsTheWeightOfABatch(t *testing.T) {
	t.Parallel()

	g := newGate()
	group := groupcommit.NewWeighted(dbtest.Pool(t), groupcommit.Options{MaxBatch: 10}, func(item int) int { return item }, g.batch)
	t.Cleanup(group.Close)

	var callers sync.WaitGroup

	call := func(item int) {
		callers.Go(func() {
			if _, err := group.Do(t.Context(), item); err != nil {
				t.Errorf("item %d: %v", item, err)
			}
		})
	}

	call(1)
	<-g.entered

	items := []int{4, 4, 4, 6, 25, 10, 1, 1}
	for _, item := range items {
		call(item)
	}

	served := 0

	g.leave <- struct{}{}

	for served < len(items) {
		batch, sum := <-g.entered, 0
		for _, item := range batch {
			sum += item
		}

		if len(batch) > 1 && sum > 10 {
			t.Errorf("the batch %v weighs more than 10", batch)
		}

		served += len(batch)
		g.leave <- struct{}{}
	}

	callers.Wait()
}

func TestGroupFailsOnlyTheItemAtFault(t *testing.T) {
	t.Parallel()

	faulty := errors.New("item at fault")

	for name, fail := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"by an error": func(context.Context, pgx.Tx) error { return faulty },
		"by a panic":  func(context.Context, pgx.Tx) error { panic(faulty) },
		"by a constraint": func(ctx context.Context, tx pgx.Tx) error {
			return execute(ctx, tx, `INSERT INTO items (id) VALUES (-1)`)
		},
		"by a bad character": func(ctx context.Context, tx pgx.Tx) error { return execute(ctx, tx, `SELECT $1::text`, "\x00") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool := dbtest.Pool(t)
			group := groupcommit.New(pool, groupcommit.Options{Flushers: 1}, func(ctx context.Context, tx pgx.Tx, items []int) ([]groupcommit.Result[int], error) {
				for _, item := range items {
					if item == 7 {
						if err := fail(ctx, tx); err != nil {
							return nil, err
						}
					}

					if err := execute(ctx, tx, `INSERT INTO items (id) VALUES ($1)`, item); err != nil {
						return nil, err
					}
				}

				return make([]groupcommit.Result[int], len(items)), nil
			})

			t.Cleanup(group.Close)

			var callers sync.WaitGroup

			for item := range 40 {
				callers.Go(func() {
					_, err := group.Do(t.Context(), item)
					if (err != nil) != (item == 7) {
						t.Errorf("item %d: %v", item, err)
					}
				})
			}

			callers.Wait()

			if n := dbtest.Count(t, pool, `SELECT count(*) FROM items`); n != 39 {
				t.Errorf("%d of the 39 good items were kept", n)
			}
		})
	}
}

func TestGroupLetsACallerLeave(t *testing.T) {
	t.Parallel()

	g := newGate()
	group := newGroup(t, groupcommit.Options{Flushers: 1}, g.batch)

	inFlight, leaveInFlight := context.WithCancel(t.Context())
	waiting, leaveWaiting := context.WithCancel(t.Context())

	var callers sync.WaitGroup

	leaves := func(ctx context.Context, item int) {
		if _, err := group.Do(ctx, item); !errors.Is(err, context.Canceled) {
			t.Errorf("item %d: %v, want the context's error", item, err)
		}
	}

	callers.Go(func() { leaves(inFlight, 1) })
	<-g.entered
	callers.Go(func() { leaves(waiting, 2) })
	time.Sleep(20 * time.Millisecond) // until it waits, which cannot be seen

	leaveInFlight() // its item is being done, and it need not wait for that
	leaveWaiting()  // its item has not been taken, and must not be
	callers.Wait()

	callers.Go(func() {
		if _, err := group.Do(t.Context(), 3); err != nil {
			t.Errorf("item 3: %v", err)
		}
	})
	time.Sleep(20 * time.Millisecond)

	g.leave <- struct{}{}

	if items := <-g.entered; !slices.Equal(items, []int{3}) {
		t.Errorf("the batch behind holds %v, want only the caller who stayed", items)
	}

	g.leave <- struct{}{}
	callers.Wait()
}

func TestGroupClose(t *testing.T) {
	t.Parallel()

	g := newGate()
	group := groupcommit.New(dbtest.Pool(t), groupcommit.Options{Flushers: 1, MaxBatch: 2}, g.batch)

	var served, turnedAway atomic.Int64

	var callers sync.WaitGroup

	call := func() {
		switch _, err := group.Do(t.Context(), 0); {
		case err == nil:
			served.Add(1)
		case errors.Is(err, groupcommit.ErrClosed):
			turnedAway.Add(1)
		default:
			t.Errorf("Do: %v", err)
		}
	}

	callers.Go(call)
	<-g.entered

	for range 5 { // two fit behind the one in flight, three block in Do
		callers.Go(call)
	}

	time.Sleep(20 * time.Millisecond)

	closed := make(chan struct{})

	go func() {
		group.Close()
		close(closed)
	}()

	time.Sleep(20 * time.Millisecond)

	for done := false; !done; {
		select {
		case g.leave <- struct{}{}:
		case <-g.entered:
		case <-closed:
			done = true
		}
	}

	callers.Wait()

	if served.Load() < 3 || served.Load()+turnedAway.Load() != 6 {
		t.Errorf("%d served and %d turned away, want at least the 3 that were accepted, and 6 in all", served.Load(), turnedAway.Load())
	}

	if _, err := group.Do(t.Context(), 0); !errors.Is(err, groupcommit.ErrClosed) {
		t.Errorf("Do after Close: %v", err)
	}

	group.Close() // again is fine
}

func TestGroupFailsAllAtOnceWithoutADatabase(t *testing.T) {
	t.Parallel()

	unreachable, err := db.Open(t.Context(), "postgres://orders@127.0.0.1:1/orders")
	if err != nil {
		t.Fatal(err)
	}
	defer unreachable.Close()

	var batches atomic.Int64

	group := groupcommit.New(unreachable, groupcommit.Options{}, double(&batches))
	defer group.Close()

	if _, err := group.Do(t.Context(), 1); !db.Unavailable(err) {
		t.Errorf("Do: %v, want a fault of the database", err)
	}
}

func execute(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	_, err := tx.Exec(ctx, sql, args...)

	return err
}
