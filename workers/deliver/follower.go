// Package deliver sends events to other services: at least once, with ids that do not change.
//
//	job deliver_webhook, one an endpoint, always there
//	   │  each round: what is due again, or the events behind the endpoint's position
//	   ▼
//	send, some at once ─► breaker ─► HTTP           no transaction is open
//	   │
//	   ▼
//	results and position in one transaction          a process that dies before sends again
//
// An endpoint has one goroutine in all workers, and what it sends waits for nothing but the endpoint
// itself. So an endpoint that hangs harms neither the others nor the orders.
package deliver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/delivery"
	"orders/db/event"
	"orders/order"
)

const (
	followFor    = 20 * time.Second // of one run of the job: then River may give its place to another endpoint's
	idle         = 200 * time.Millisecond
	sliceSize    = 500
	recordWithin = 5 * time.Second
)

// An Answer is what became of an attempt.
type Answer struct {
	Arrived    bool
	Refused    bool // no attempt can succeed
	Alone      bool // the endpoint works, and has refused this event for now
	Gone       bool // the endpoint wants no more events
	Status     int  // of HTTP or SMTP; 0 for none
	Text       string
	ProviderID string        // of a mail server
	RetryAfter time.Duration // that the endpoint asked for; 0 for none
}

// A Message is an event, and what its sender needs to send it.
type Message struct {
	delivery.Due

	Content    any    // of the sender's own type
	Skip       bool   // nobody is to get it
	Suppressed string // why it is not worth sending any more; empty if it is
}

// A Sender sends events to endpoints of one kind.
type Sender interface {
	// Prepare reads what Send needs, for all events of a round at once.
	Prepare(ctx context.Context, q db.Querier, due []delivery.Due) ([]Message, error)

	// Send makes one attempt. It uses no database.
	Send(ctx context.Context, to delivery.Endpoint, m Message) Answer
}

// An Observer is told what is sent. It must not block.
type Observer interface {
	// DeliveryAttempted is told how long an attempt took, whatever came of it.
	DeliveryAttempted(kind delivery.Kind, took time.Duration)

	// DeliveriesRecorded is told what became of deliveries, once that is committed.
	DeliveriesRecorded(kind delivery.Kind, results []delivery.Result)
}

// Options configure [New].
type Options struct {
	Pool   *pgxpool.Pool
	Log    *slog.Logger
	Sender Sender

	Observer Observer // nil for none

	Trips int           // failures in a row that pause an endpoint; 0 for the default
	Pause time.Duration // the longest pause; 0 for the default
}

// Defaults of [Options].
const (
	defaultTrips = 10
	defaultPause = 30 * time.Second
)

// Followers follow the log for the endpoints whose jobs this process runs.
type Followers struct {
	Options

	watch    *event.Watch
	stopping chan struct{}
	stop     sync.Once

	mu    sync.Mutex
	paces map[uuid.UUID]*pace
}

// New makes followers.
func New(o Options) *Followers {
	if o.Trips == 0 {
		o.Trips = defaultTrips
	}

	if o.Pause == 0 {
		o.Pause = defaultPause
	}

	if o.Observer == nil {
		o.Observer = Unobserved{}
	}

	return &Followers{Options: o, watch: event.NewWatch(o.Pool), stopping: make(chan struct{}), paces: map[uuid.UUID]*pace{}}
}

// Unobserved is the observer if there is none.
type Unobserved struct{}

// DeliveryAttempted does nothing.
func (Unobserved) DeliveryAttempted(delivery.Kind, time.Duration) {}

// DeliveriesRecorded does nothing.
func (Unobserved) DeliveriesRecorded(delivery.Kind, []delivery.Result) {}

// Close lets the runs end after their round: their jobs become available to other processes.
func (f *Followers) Close() { f.stop.Do(func() { close(f.stopping) }) }

// Follow is one run of an endpoint's job. It snoozes the job, and ends it only if nothing is to be sent any more.
func (f *Followers) Follow(ctx context.Context, id uuid.UUID) error {
	until := time.NewTimer(followFor)
	defer until.Stop()

	for {
		wait, err := f.round(ctx, id)

		switch {
		case errors.Is(err, errEnded):
			return nil
		case errors.Is(err, delivery.ErrMoved):
			return river.JobSnooze(time.Second)
		case err != nil:
			return err
		case wait > idle: // this worker's place is free for others
			return river.JobSnooze(wait)
		}

		again := time.NewTimer(wait)

		select {
		case <-again.C:
		case <-until.C:
			again.Stop()

			return river.JobSnooze(0)
		case <-f.stopping:
			again.Stop()

			return river.JobSnooze(0)
		}
	}
}

// errEnded says that nothing is to be sent: the endpoint is disabled, or is not there.
var errEnded = errors.New("the endpoint is disabled")

// round sends what is to be sent now, and records it. wait is how long there is nothing to do.
func (f *Followers) round(ctx context.Context, id uuid.UUID) (wait time.Duration, err error) {
	e, err := delivery.Get(ctx, f.Pool, id)

	switch {
	case order.CodeOf(err) == order.NotFound || err == nil && e.DisabledAt != nil:
		return 0, errEnded
	case err != nil:
		return 0, err //nolint:wrapcheck // it says what was done
	case e.PausedFor > 0:
		return e.PausedFor, nil
	}

	limit := sliceSize
	if e.PausedUntil != nil {
		limit = 1 // one tries, for the others
	}

	s, due, err := f.slice(ctx, e, limit)
	if err != nil {
		return 0, err
	}

	if len(due) == 0 && s.Position == e.Position() && !s.Gap {
		return idle, nil
	}

	messages, err := f.Sender.Prepare(ctx, f.Pool, due)
	if err != nil {
		return 0, err //nolint:wrapcheck // it says what was done
	}

	f.send(ctx, &s, messages)

	return 0, f.record(ctx, s)
}

// away is for how long an endpoint has failed that counts as back when it works. One that fails now and then is none.
const away = time.Minute

// record writes what became of the slice. When an endpoint that was away is back, what waits for it is tried again soon: its
// next attempt may be hours ahead, as the endpoint was away.
func (f *Followers) record(ctx context.Context, s delivery.Slice) error {
	// What has arrived is recorded even if the process ends, or it would be sent again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()

	isBack := s.Works && (s.Endpoint.PausedUntil != nil || s.Endpoint.FailingFor > away)

	err := db.InTx(ctx, f.Pool, func(tx pgx.Tx) error {
		if err := delivery.Record(ctx, tx, s); err != nil || !isBack {
			return err //nolint:wrapcheck // it says what was done
		}

		return delivery.BringForward(ctx, tx, s.Endpoint.ID, broughtForward) //nolint:wrapcheck // as above
	})
	if err != nil {
		return err //nolint:wrapcheck // as above
	}

	f.Observer.DeliveriesRecorded(s.Endpoint.Kind, s.Results)

	if s.Disable != "" {
		f.Log.WarnContext(ctx, "webhook disabled", "endpoint", s.Endpoint.ID, "reason", s.Disable)

		return errEnded
	}

	return nil
}

// slice reads what is to be sent: deliveries that are due again, and then the events behind the position.
func (f *Followers) slice(ctx context.Context, e delivery.Endpoint, limit int) (s delivery.Slice, due []delivery.Due, err error) {
	s = delivery.Slice{Endpoint: e, Position: e.Position()}

	if due, err = delivery.DueAgain(ctx, f.Pool, e.ID, limit); err != nil || len(due) == limit {
		return s, due, err //nolint:wrapcheck // it says what was done
	}

	now, err := f.watch.Read(ctx, idle/2) //nolint:mnd // so that no round waits for the next reading
	if err != nil || now.Complete < s.Position.Seq {
		return s, due, err //nolint:wrapcheck // as above
	}

	events, next, err := event.Read(ctx, f.Pool, s.Position, now.Complete, e.Types, limit-len(due))
	if errors.Is(err, event.ErrPruned) {
		f.Log.ErrorContext(ctx, "events were deleted before they were sent: the endpoint was away for longer than ORDERS_KEEP_EVENTS",
			"endpoint", e.ID)

		s.Gap = true
		events, next, err = event.Read(ctx, f.Pool, event.Start, now.Complete, e.Types, limit-len(due))
	}

	if err != nil {
		return s, due, err //nolint:wrapcheck // as above
	}

	s.Position = next

	for _, ev := range events {
		due = append(due, delivery.Due{Event: ev})
	}

	return s, due, nil
}
