package api

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/order"
)

// WatchOptions are what a [Watch] works with; a zero bound means its default.
type WatchOptions struct {
	Pool *pgxpool.Pool
	Log  *slog.Logger

	MaxStreams  int           // at the same time; default 1,000
	MaxDuration time.Duration // of a stream, whose client then comes back; default 10 min
	Heartbeat   time.Duration // between signs of life; default 15 s
	Patience    time.Duration // with a client that does not read; default 10 s
	Poll        time.Duration // between looks that no announcement asks for; default 2 s
	Pause       time.Duration // between looks at least; default 100 ms
}

// A Watch looks at the orders that streams are open for, for all of them at once.
//
//	committed ─► announcement ─► LISTEN ─┐
//	a stream is opened ──────────────────┼─► look: one read of all watched orders ─► streams
//	every 2 s ───────────────────────────┘
//
// An announcement says that some orders have changed and not which: reading a
// thousand orders takes as many statements as reading one. The looks by the clock
// are the guarantee below, and see what is not announced, such as a failed run.
type Watch struct {
	WatchOptions

	ctx    context.Context //nolint:containedctx // its own life, which ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	start  sync.Once
	wake   chan struct{} // buffered: looks that are asked for while one is due are that one

	mu      sync.Mutex
	streams map[*subscription]struct{}
}

// NewWatch makes a watch. It does nothing until the first stream is opened.
func NewWatch(o WatchOptions) *Watch {
	o.MaxStreams = cmp.Or(o.MaxStreams, 1_000)
	o.MaxDuration = cmp.Or(o.MaxDuration, 10*time.Minute)
	o.Heartbeat = cmp.Or(o.Heartbeat, 15*time.Second)
	o.Patience = cmp.Or(o.Patience, 10*time.Second)
	o.Poll = cmp.Or(o.Poll, 2*time.Second)
	o.Pause = cmp.Or(o.Pause, 100*time.Millisecond)

	ctx, cancel := context.WithCancel(context.Background())

	return &Watch{
		WatchOptions: o,
		ctx:          ctx,
		cancel:       cancel,
		wake:         make(chan struct{}, 1),
		streams:      map[*subscription]struct{}{},
	}
}

// Close ends all streams, so that a server that waits for its requests does not
// wait for them. It may be called again.
func (w *Watch) Close() {
	w.mu.Lock() // no stream is being opened
	w.cancel()
	w.mu.Unlock()

	w.work.Wait()
}

// subscribe lets a stream have every look from now on. What it has read before
// is older than any of them, and a look is due at once for what changed between.
func (w *Watch) subscribe(id uuid.UUID) (*subscription, error) {
	w.mu.Lock()
	defer w.mu.Unlock()

	if w.ctx.Err() != nil || len(w.streams) >= w.MaxStreams {
		return nil, order.Errorf(order.Unavailable, "No more streams can be opened here at the moment; try again, or read the order.")
	}

	w.start.Do(func() {
		w.work.Go(w.look)
		w.work.Go(w.listen)
	})

	s := &subscription{order: id, news: make(chan state, 1)}
	w.streams[s] = struct{}{}
	w.soon()

	return s, nil
}

func (w *Watch) leave(s *subscription) {
	w.mu.Lock()
	defer w.mu.Unlock()

	delete(w.streams, s)
}

// soon asks for a look.
func (w *Watch) soon() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Watch) listen() {
	db.Listen(w.ctx, w.Pool, w.soon, func(err error) {
		w.Log.WarnContext(w.ctx, "lost the connection that hears of changed orders", "error", err)
	})
}

// look is the watch's life. It rests four times as long as a look has taken, so
// that looking never takes more than a fifth of a connection's time.
func (w *Watch) look() {
	const rest = 4

	poll := time.NewTicker(w.Poll)
	defer poll.Stop()

	for {
		select {
		case <-w.ctx.Done():
			return
		case <-w.wake:
		case <-poll.C:
		}

		start := time.Now()

		if err := w.lookOnce(); err != nil && w.ctx.Err() == nil {
			w.Log.WarnContext(w.ctx, "watched orders not read", "error", err)
		}

		select {
		case <-w.ctx.Done():
		case <-time.After(max(w.Pause, rest*time.Since(start))):
		}
	}
}

// lookOnce reads the orders that were watched when it began, and tells those streams.
func (w *Watch) lookOnce() error {
	watched, ids := w.watched()
	if len(ids) == 0 {
		return nil
	}

	ctx, cancel := context.WithTimeout(w.ctx, requestTimeout)
	defer cancel()

	var orders []order.Order

	err := db.Snapshot(ctx, w.Pool, func(tx pgx.Tx) (err error) {
		orders, err = db.Orders(ctx, tx, ids)

		return err
	})
	if err != nil {
		return err
	}

	for _, o := range orders {
		now, err := stateOf(o)
		if err != nil {
			return err
		}

		for _, s := range watched[o.ID] {
			s.put(now)
		}
	}

	return nil
}

// watched are the streams by order.
func (w *Watch) watched() (map[uuid.UUID][]*subscription, []uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()

	watched := make(map[uuid.UUID][]*subscription, len(w.streams))

	for s := range w.streams {
		watched[s.order] = append(watched[s.order], s)
	}

	ids := make([]uuid.UUID, 0, len(watched))
	for id := range watched {
		ids = append(ids, id)
	}

	return watched, ids
}
