// Package stream sends an order's changes to HTTP clients as server-sent events.
//
//	change committed ─► NOTIFY ─► LISTEN ─┐
//	a stream is opened ───────────────────┼─► read all watched orders at once ─► streams
//	every 2 s ────────────────────────────┘
package stream

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
	"orders/db/change"
	"orders/db/link"
	"orders/order"
)

// readTimeout bounds a reading of orders.
const readTimeout = 15 * time.Second

// Options are what a [Watch] works with. A zero bound means its default.
type Options struct {
	Pool   *pgxpool.Pool
	Link   link.Link // what the way to the database lacks
	Log    *slog.Logger
	Encode func(order.Order) ([]byte, error) // makes the data of an event

	MaxStreams   int           // open at the same time; default 1,000
	MaxDuration  time.Duration // of a stream, after which its client reconnects; default 10 min
	Heartbeat    time.Duration // between comments that keep the connection open; default 15 s
	WriteTimeout time.Duration // for a client that does not read; default 10 s
	Poll         time.Duration // the longest time between reads; default 2 s
	Pause        time.Duration // the shortest time between reads; default 100 ms
}

// A Watch reads the orders of all open streams at once.
//
// A notification says that some orders have changed, but not which orders: reading a
// thousand orders takes as many statements as reading one. Because a notification may be
// lost, the watch also reads every Poll. These reads also see changes without a
// notification, such as a failed attempt.
type Watch struct {
	Options

	ctx    context.Context //nolint:containedctx // the watch's own, which ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	start  sync.Once
	wake   chan struct{} // buffered: requests for a reading while one is due become one reading

	mu      sync.Mutex
	streams map[*Stream]struct{}
}

// NewWatch makes a watch. It does nothing until the first stream is opened.
func NewWatch(o Options) *Watch {
	o.MaxStreams = cmp.Or(o.MaxStreams, 1_000)
	o.MaxDuration = cmp.Or(o.MaxDuration, 10*time.Minute)
	o.Heartbeat = cmp.Or(o.Heartbeat, 15*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	o.Poll = cmp.Or(o.Poll, 2*time.Second)
	o.Pause = cmp.Or(o.Pause, 100*time.Millisecond)

	ctx, cancel := context.WithCancel(context.Background())

	return &Watch{
		Options: o,
		ctx:     ctx,
		cancel:  cancel,
		wake:    make(chan struct{}, 1),
		streams: map[*Stream]struct{}{},
	}
}

// Close ends all streams, so that a server that drains its requests does not wait for
// them. It may be called again.
func (w *Watch) Close() {
	w.mu.Lock() // no stream is being opened
	w.cancel()
	w.mu.Unlock()

	w.work.Wait()
}

// Open opens a stream of an order. lastEventID is the last event that the client has
// seen; empty for none. Open refuses with [order.NotFound]. It refuses with
// [order.Unavailable] if too many streams are open or the watch is closed.
func (w *Watch) Open(ctx context.Context, id uuid.UUID, lastEventID string) (*Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()

	var o order.Order

	err := db.Snapshot(ctx, w.Pool, func(tx pgx.Tx) (err error) {
		o, err = db.Order(ctx, tx, id)

		return err
	})
	if err != nil {
		return nil, err
	}

	s := &Stream{watch: w, seen: lastEventID, order: id, news: make(chan state, 1)}

	if s.first, err = w.stateOf(o); err != nil {
		return nil, err
	}

	if s.over() {
		return s, nil
	}

	return s, w.add(s)
}

// add lets a stream have every reading from now on. What the stream has read before is
// older than any of them. A reading is due at once for what changed in between.
func (w *Watch) add(s *Stream) error {
	w.mu.Lock()
	defer w.mu.Unlock()

	if w.ctx.Err() != nil || len(w.streams) >= w.MaxStreams {
		return order.Errorf(order.Unavailable, "No more streams can be opened at the moment; try again, or read the order.")
	}

	w.start.Do(func() {
		w.work.Go(w.run)

		if !w.Link.PollOnly {
			w.work.Go(w.listen)
		}
	})

	w.streams[s] = struct{}{}
	w.readSoon()

	return nil
}

func (w *Watch) remove(s *Stream) {
	w.mu.Lock()
	defer w.mu.Unlock()

	delete(w.streams, s)
}

// readSoon asks for a reading.
func (w *Watch) readSoon() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Watch) listen() {
	change.Listen(w.ctx, w.Link.Sessions(w.Pool), w.readSoon, func(err error) {
		w.Log.WarnContext(w.ctx, "lost the connection that listens for changed orders", "error", err)
	})
}

// run reads until the watch is closed. It pauses four times as long as a reading has
// taken, so that reading never takes more than a fifth of a connection's time.
func (w *Watch) run() {
	const pauseFactor = 4

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

		if err := w.read(); err != nil && w.ctx.Err() == nil {
			w.Log.WarnContext(w.ctx, "watched orders not read", "error", err)
		}

		select {
		case <-w.ctx.Done():
		case <-time.After(max(w.Pause, pauseFactor*time.Since(start))):
		}
	}
}

// read reads the orders that are watched when it begins, and gives them to their streams.
func (w *Watch) read() error {
	watched, ids := w.watched()
	if len(ids) == 0 {
		return nil
	}

	ctx, cancel := context.WithTimeout(w.ctx, readTimeout)
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
		now, err := w.stateOf(o)
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
func (w *Watch) watched() (map[uuid.UUID][]*Stream, []uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()

	watched := make(map[uuid.UUID][]*Stream, len(w.streams))

	for s := range w.streams {
		watched[s.order] = append(watched[s.order], s)
	}

	ids := make([]uuid.UUID, 0, len(watched))
	for id := range watched {
		ids = append(ids, id)
	}

	return watched, ids
}
