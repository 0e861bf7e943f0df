package deliver

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"orders/db/delivery"
)

// startFor is how long the attempts of a round are started. What is not started by then is left to the next round. So what an
// endpoint that is slow has taken is recorded before the job ends, and a process that is killed repeats few.
const startFor = 5 * time.Second

// A shipment is the sending of one slice.
type shipment struct {
	*Followers
	*pace

	slice   *delivery.Slice
	sending sync.WaitGroup
	places  chan struct{}

	mu      sync.Mutex
	answers []Answer
	hold    time.Duration // that the endpoint asked for, by Retry-After
}

// send makes the attempts, some at once, and puts their results into the slice. What is not attempted stays in the log, or waits
// as it did.
func (f *Followers) send(ctx context.Context, s *delivery.Slice, messages []Message) {
	ship := &shipment{Followers: f, pace: f.paceOf(s.Endpoint), slice: s}
	ship.places = make(chan struct{}, ship.atOnce)

	late := time.NewTimer(startFor)
	defer late.Stop()

	for i, m := range messages {
		if m.Skip || m.Suppressed != "" {
			ship.suppress(m)
		} else if !ship.start(ctx, m, late.C) {
			leave(s, messages, i)

			break
		}
	}

	ship.sending.Wait()

	s.Works = ship.works(ship.answers, f.Trips)

	fails := !s.Works && (s.Endpoint.PausedUntil != nil || ship.refusals >= f.Trips)

	if ship.hold > 0 || fails || ship.breaker.State() == gobreaker.StateOpen {
		s.Pause = max(f.pauseOf(s.Endpoint), min(ship.hold, longestHold))
	}

	ship.adapt(s.Endpoint.Kind, ship.answers)
	s.Disable = disable(s.Endpoint, ship.answers)
}

// start begins an attempt when there is a place for it; false if no more are to begin.
func (s *shipment) start(ctx context.Context, m Message, late <-chan time.Time) bool {
	select {
	case <-late:
		return false
	case s.places <- struct{}{}:
	}

	if s.ending(ctx) || s.held() {
		return false
	}

	done, err := s.breaker.Allow()
	if err != nil {
		return false
	}

	s.sending.Go(func() {
		defer func() { <-s.places }()

		began := time.Now()
		a := s.Sender.Send(ctx, s.slice.Endpoint, m)
		s.Observer.DeliveryAttempted(s.slice.Endpoint.Kind, time.Since(began))

		switch {
		case a.Arrived, a.Alone, a.Refused:
			done(nil)
			s.add(resultOf(m.Due, a), a)
		case ctx.Err() != nil: // the attempt was interrupted: it says nothing of the endpoint
			done(nil)
			s.add(delivery.Result{Due: m.Due, State: delivery.Waiting, Attempts: m.Attempts, Answer: "not sent yet"})
		default:
			done(errNotArrived)
			s.add(resultOf(m.Due, a), a)
		}
	})

	return true
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

func (s *shipment) held() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.hold > 0
}

// add notes the result of a message, and the answer if there was an attempt.
func (s *shipment) add(r delivery.Result, answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.slice.Results = append(s.slice.Results, r)
	s.answers = append(s.answers, answers...)

	for _, a := range answers {
		if !a.Arrived {
			s.hold = max(s.hold, a.RetryAfter)
		}
	}
}

// suppress puts the result of what is not to be sent into the slice. An event that nobody is to get has none.
func (s *shipment) suppress(m Message) {
	if m.Skip && m.Delivery == 0 {
		return
	}

	s.add(delivery.Result{
		Due: m.Due, State: delivery.Suppressed, Attempts: m.Attempts, Answer: cmp.Or(m.Suppressed, "nobody is to get it"),
	})
}

// leave lets the slice end before a message: the position is then behind the event before it.
func leave(s *delivery.Slice, messages []Message, at int) {
	switch {
	case at > 0 && messages[at-1].Delivery == 0:
		s.Position = messages[at-1].Position
	default:
		s.Position, s.Gap = s.Endpoint.Position(), false
	}
}
