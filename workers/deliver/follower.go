// Package deliver sends events to other services: at least once, with ids that do not change.
//
//	job deliver_webhook, one an endpoint, always there
//	   │  each round: what is due again, or the events behind the endpoint's position
//	   ▼
//	send, a few at once ─► breaker ─► HTTP          no transaction is open
//	   │
//	   ▼
//	results and position in one transaction          a process that dies before sends again
//
// An endpoint has one goroutine in all workers, and what it sends waits for nothing but the endpoint
// itself. So an endpoint that hangs harms neither the others nor the orders.
package deliver

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/sony/gobreaker/v2"

	"orders/db"
	"orders/db/delivery"
	"orders/db/event"
	"orders/order"
)

// AtOnce is how many requests an endpoint gets at a time.
const AtOnce = 8

const (
	followFor    = 20 * time.Second // of one run of the job: then River may give its place to another endpoint's
	idle         = 200 * time.Millisecond
	sliceSize    = 100
	sendFor      = 5 * time.Second // of a round: what a slow endpoint has answered is then recorded
	recordWithin = 5 * time.Second
)

// An Answer is what became of an attempt.
type Answer struct {
	Arrived    bool
	Refused    bool // no attempt can succeed
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

// Options configure [New].
type Options struct {
	Pool   *pgxpool.Pool
	Log    *slog.Logger
	Sender Sender

	Trips int           // failures in a row that pause an endpoint; 0 for the default
	Pause time.Duration // 0 for the default
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

	mu       sync.Mutex
	breakers map[uuid.UUID]*breaker
}

type breaker = gobreaker.TwoStepCircuitBreaker[Answer]

// New makes followers.
func New(o Options) *Followers {
	if o.Trips == 0 {
		o.Trips = defaultTrips
	}

	if o.Pause == 0 {
		o.Pause = defaultPause
	}

	return &Followers{Options: o, watch: event.NewWatch(o.Pool), stopping: make(chan struct{}), breakers: map[uuid.UUID]*breaker{}}
}

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

	// What has arrived is recorded even if the process ends, or it would be sent again.
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()

	err = db.InTx(recording, f.Pool, func(tx pgx.Tx) error { return delivery.Record(recording, tx, s) })
	if err == nil && s.Disable != "" {
		f.Log.WarnContext(ctx, "webhook disabled", "endpoint", e.ID, "reason", s.Disable)

		return 0, errEnded
	}

	return 0, err //nolint:wrapcheck // it says what was done
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

// send makes the attempts, a few at once, and puts their results into the slice. When the breaker opens, the round takes
// too long or the process ends, what has not been sent waits without an attempt.
func (f *Followers) send(ctx context.Context, s *delivery.Slice, messages []Message) {
	messages = settle(s, messages)

	var (
		b       = f.breakerOf(s.Endpoint)
		places  = make(chan struct{}, AtOnce)
		sending sync.WaitGroup
	)

	sent := make([]delivery.Result, len(messages))
	answers := make([]Answer, len(messages))

	until := time.Now().Add(sendFor)

	for i, m := range messages {
		sent[i] = delivery.Result{Due: m.Due, State: delivery.Waiting, Attempts: m.Attempts, Answer: notSent}
		places <- struct{}{}

		if f.ending(ctx) || time.Now().After(until) {
			<-places

			continue
		}

		sending.Go(func() {
			defer func() { <-places }()

			done, err := b.Allow()
			if err != nil {
				return
			}

			answers[i] = f.Sender.Send(ctx, s.Endpoint, m)
			arrived := answers[i].Arrived || answers[i].Refused // a refusal is about this event alone

			switch {
			case arrived:
				done(nil)
			case ctx.Err() != nil: // the attempt was interrupted: it says nothing of the endpoint
				answers[i] = Answer{}
				done(nil)

				return
			default:
				done(errNotArrived)
			}

			sent[i] = resultOf(m.Due, answers[i])
		})
	}

	sending.Wait()

	for _, r := range sent {
		if r.Answer != notSent || r.Delivery == 0 { // one that waits already waits as it did
			s.Results = append(s.Results, r)
		}
	}

	arrived := slices.ContainsFunc(answers, func(a Answer) bool { return a.Arrived })

	if b.State() == gobreaker.StateOpen || s.Endpoint.PausedUntil != nil && !arrived {
		s.Pause = f.Pause
	}

	s.Disable = disable(s.Endpoint, answers)
}

// ending tells whether the process ends.
func (f *Followers) ending(ctx context.Context) bool {
	select {
	case <-f.stopping:
		return true
	default:
		return ctx.Err() != nil
	}
}

const notSent = "not sent yet"

var errNotArrived = errors.New("the event has not arrived")

// settle puts what is not to be sent into the slice, and returns what is. A delivery that nobody is to get any more is
// suppressed, and an event that nobody is to get has none.
func settle(s *delivery.Slice, messages []Message) (left []Message) {
	for _, m := range messages {
		switch {
		case m.Skip && m.Delivery == 0:
		case m.Skip, m.Suppressed != "":
			s.Results = append(s.Results, delivery.Result{
				Due: m.Due, State: delivery.Suppressed, Attempts: m.Attempts, Answer: cmp.Or(m.Suppressed, "nobody is to get it"),
			})
		default:
			left = append(left, m)
		}
	}

	return left
}

// breakerOf is the endpoint's breaker in this process. The row's paused_until makes other processes wait, too.
func (f *Followers) breakerOf(e delivery.Endpoint) *breaker {
	f.mu.Lock()
	defer f.mu.Unlock()

	b := f.breakers[e.ID]
	if b == nil {
		b = gobreaker.NewTwoStepCircuitBreaker[Answer](gobreaker.Settings{
			MaxRequests: 1,
			Timeout:     f.Pause * 9 / 10, //nolint:mnd // it must have passed when paused_until has
			ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= f.Trips },
		})
		f.breakers[e.ID] = b
	}

	return b
}

// disable says why a webhook gets no more events; empty if it does. Mail goes on when its server is back.
func disable(e delivery.Endpoint, answers []Answer) string {
	is := func(what func(Answer) bool) bool { return slices.ContainsFunc(answers, what) }

	switch {
	case e.Kind != delivery.Webhook:
	case is(func(a Answer) bool { return a.Gone }):
		return "it answered 410 Gone"
	case e.FailingFor > longestFailing && !is(func(a Answer) bool { return a.Arrived }):
		return "nothing has arrived for five days"
	}

	return ""
}
