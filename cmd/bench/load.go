package main

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// A load is what is sent to the API of one run.
type load struct {
	workload

	addresses   []string
	connections int    // there are before the first order
	keys        string // what Idempotency-Keys begin with: no two runs in one database have the same

	// Closed model: each connection places its next order when it has the answer to the last.
	orders   int           // how many in all; 0 for as many as duration allows
	duration time.Duration // 0 for no bound

	// Open model: orders come when they come, whatever became of those before.
	rate float64 // a second; 0 for the closed model

	placed atomic.Int64 // so far, for progress
	sent   atomic.Int64
}

// maxConnections bounds the open model: more would be a test of the kernel.
const maxConnections = 8192

// loaded is what came of a load.
type loaded struct {
	start, end time.Time // first POST, last answer
	accepted   []uuid.UUID
	fates      [fates]int      // of the accepted
	latencies  []time.Duration // of accepted POSTs, sorted
	refused    []time.Duration // of those answered 503, sorted
	unknown    map[string]fate // keys of those whose 503 does not say that there is no order
}

// A sending is a load on its way.
type sending struct {
	*load

	work     *errgroup.Group
	working  context.Context //nolint:containedctx // of the work
	placers  []*placer
	arrivals chan time.Time // when orders were due; whichever connection is free takes the next
	pay      chan uuid.UUID
}

// send runs the load. It fails on the first answer that is neither 201 nor 503.
func (l *load) send(ctx context.Context) (*loaded, error) {
	s := &sending{load: l, arrivals: make(chan time.Time), pay: make(chan uuid.UUID, 1<<16)}
	s.work, s.working = errgroup.WithContext(ctx)

	for range l.connections {
		if err := s.connect(ctx); err != nil {
			return nil, err
		}
	}

	paying, untilOneFails := errgroup.WithContext(ctx)
	for range payers {
		paying.Go(func() error { return l.payAll(untilOneFails, s.pay) })
	}

	start := time.Now()

	for _, p := range s.placers {
		s.work.Go(func() error { return p.placeAll(s.working) })
	}

	s.work.Go(func() error {
		defer close(s.arrivals)

		return s.arrive(s.working, start)
	})

	err := s.work.Wait()
	end := time.Now()

	close(s.pay)

	if later := paying.Wait(); err == nil {
		err = later
	}

	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx) // and not that connections broke over it
	case err != nil:
		return nil, err
	}

	return merge(s.placers, start, end), nil
}

func (s *sending) connect(ctx context.Context) error {
	p := s.add()

	c, err := dial(ctx, p.address)
	p.conn = c

	return err
}

// add makes a placer that has no connection yet.
func (s *sending) add() *placer {
	n := len(s.placers)
	p := &placer{
		sending: s,
		address: s.addresses[n%len(s.addresses)],
		random:  rand.New(rand.NewPCG(uint64(n), 1)), //nolint:gosec // load, not secrets
		loaded:  loaded{unknown: map[string]fate{}},
	}
	s.placers = append(s.placers, p)

	return p
}

// arrive says when the next order is due, until the load is over. In the closed
// model that is whenever a connection takes it.
func (s *sending) arrive(ctx context.Context, start time.Time) error {
	random := rand.New(rand.NewPCG(0, 2)) //nolint:gosec // load, not secrets
	due := start

	for n := 0; s.orders == 0 || n < s.orders; n++ {
		if s.rate > 0 {
			// Independent customers: the gaps between them are exponential.
			due = due.Add(time.Duration(random.ExpFloat64() / s.rate * float64(time.Second)))
			if wait := time.Until(due); wait > 0 && !pause(ctx, wait) {
				return context.Cause(ctx)
			}
		} else {
			due = time.Now()
		}

		if s.duration > 0 && due.Sub(start) > s.duration {
			return nil
		}

		if err := s.hand(ctx, due); err != nil {
			return err
		}
	}

	return nil
}

// hand gives an order to a connection that is free. In the open model there is
// another one when none is: who comes does not wait for those before.
func (s *sending) hand(ctx context.Context, due time.Time) error {
	if s.rate > 0 && len(s.placers) < maxConnections {
		select {
		case s.arrivals <- due:
		default:
			p := s.add()
			s.work.Go(func() error { return p.begin(s.working, due) })
		}

		return nil
	}

	select {
	case s.arrivals <- due:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// merge puts together what the connections have seen.
func merge(placers []*placer, start, end time.Time) *loaded {
	all := &loaded{start: start, end: end, unknown: map[string]fate{}}

	for _, p := range placers {
		all.accepted = append(all.accepted, p.accepted...)
		all.latencies = append(all.latencies, p.latencies...)
		all.refused = append(all.refused, p.refused...)
		maps.Copy(all.unknown, p.unknown)

		for fate, n := range p.fates {
			all.fates[fate] += n
		}
	}

	slices.Sort(all.latencies)
	slices.Sort(all.refused)

	return all
}
