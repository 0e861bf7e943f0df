package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"orders/cmd/bench/database"
	"orders/order"
)

// A Load is the requests to the API of one run.
type Load struct {
	Workload

	Addresses []string      // of the API's processes, which take turns
	KeyPrefix string        // of the Idempotency-Keys; runs in one database need different ones
	Orders    int           // how many in all; 0 for as many as the duration allows
	Duration  time.Duration // 0 for no bound

	// In the closed model, each connection places its next order after the response to the last.
	Connections int

	// In the open model, orders arrive at this rate a second, independently of earlier responses. 0 is the closed model.
	Rate float64

	Placed atomic.Int64 // orders accepted so far
}

const (
	maxConnections = 8192 // bounds the open model: more would test the kernel
	requestTimeout = time.Minute
)

// A Result is the outcome of a load.
type Result struct {
	Start, End time.Time // first POST, in milliseconds as in ids; last response
	Accepted   []uuid.UUID
	Statuses   map[order.Status]int    // in which the accepted orders are to settle
	Latencies  []time.Duration         // of accepted POSTs, sorted
	Refused    []time.Duration         // of POSTs with response 503, sorted
	Unknown    map[string]order.Status // by key: POSTs with a 503 that does not exclude an order
}

// A sending is a load in progress.
type sending struct {
	*Load

	client    client
	followUps *errgroup.Group

	mu     sync.Mutex
	result Result
}

// Run sends the load. It fails on the first response that is neither 201 nor 503.
func (l *Load) Run(ctx context.Context) (*Result, error) {
	s := &sending{Load: l, result: Result{
		Start: time.Now().Truncate(time.Millisecond), Statuses: map[order.Status]int{}, Unknown: map[string]order.Status{},
	}}
	s.client.MaxConnsPerHost = 2 * maxConnections // follow-ups need connections, too
	s.client.ReadTimeout, s.client.MaxIdleConnDuration = requestTimeout, requestTimeout

	var following context.Context

	s.followUps, following = errgroup.WithContext(ctx)
	err := s.placeAll(following)
	s.result.End = time.Now()

	slices.Sort(s.result.Latencies)
	slices.Sort(s.result.Refused)

	return &s.result, errors.Join(err, s.followUps.Wait(), context.Cause(ctx))
}

func (s *sending) placeAll(ctx context.Context) error {
	placing, untilFailure := errgroup.WithContext(ctx)
	placing.SetLimit(maxConnections)

	if s.Rate == 0 {
		placing.SetLimit(s.Connections)
	}

	random := rand.New(rand.NewPCG(0, 1)) //nolint:gosec // load, not secrets

	for n, due := range s.arrivals(untilFailure) {
		o := s.Next(random)
		placing.Go(func() error { return s.place(o, n, due) })
	}

	return placing.Wait()
}

// arrivals yields the number of each order, and when it is due, at that time. In the
// closed model the next order is due as soon as a connection is free.
func (s *sending) arrivals(ctx context.Context) iter.Seq2[int, time.Time] {
	return func(yield func(int, time.Time) bool) {
		random := rand.New(rand.NewPCG(0, 2)) //nolint:gosec // load, not secrets
		due := s.result.Start

		for n := 0; s.Orders == 0 || n < s.Orders; n++ {
			if s.Rate > 0 {
				// Customers are independent, so the gaps between them are exponential.
				due = due.Add(time.Duration(random.ExpFloat64() / s.Rate * float64(time.Second)))
				if wait := time.Until(due); wait > 0 { // a timer that is due takes its time, too
					database.Sleep(ctx, wait)
				}
			} else {
				due = time.Now()
			}

			// Arrivals that a late load could not send by then are left out: with all of them, it never ends.
			if ctx.Err() != nil || s.Duration > 0 && time.Since(s.result.Start) > s.Duration || !yield(n, due) {
				return
			}
		}
	}
}

// place sends one order. In the open model, its latency counts from when it was
// due: an order that finds all connections busy waits, too.
func (s *sending) place(o Order, number int, due time.Time) error {
	if s.Rate == 0 {
		due = time.Now()
	}

	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("place: %w", err)
	}

	url := "http://" + s.Addresses[number%len(s.Addresses)] + "/orders"
	key := s.KeyPrefix + strconv.Itoa(number)

	got, err := s.client.post(url, key, body)
	if err == nil {
		err = s.record(o, key, got, time.Since(due))
	}

	if err != nil {
		return fmt.Errorf("place: %w", err)
	}

	if got.status == http.StatusCreated && o.followUp != (followUp{}) {
		s.followUps.Go(func() error { return s.follow(o.followUp, url, got.order) })
	}

	return nil
}

func (s *sending) record(o Order, key string, got response, took time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	switch got.status {
	case http.StatusCreated:
		s.Placed.Add(1)
		s.result.Accepted = append(s.result.Accepted, got.order)
		s.result.Latencies = append(s.result.Latencies, took)
		s.result.Statuses[o.settles]++
	case http.StatusServiceUnavailable:
		s.result.Refused = append(s.result.Refused, took)

		// A request that timed out may have placed its order. One that was shed has not.
		if !bytes.Contains(got.body, []byte("/problems/overloaded")) && !bytes.Contains(got.body, []byte("/problems/in-flight-limit")) {
			s.result.Unknown[key] = o.placed
		}
	default:
		return fmt.Errorf("response %d: %s", got.status, got.body)
	}

	return nil
}

// follow sends a follow-up.
func (s *sending) follow(f followUp, url string, id uuid.UUID) error {
	body := fmt.Appendf(nil, `{%q:"bench-%s"}`, f.field, id)

	got, err := s.client.post(url+"/"+id.String()+f.path, "", body)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}

	if got.status != http.StatusOK {
		return fmt.Errorf("%s: response %d: %s", f.path, got.status, got.body)
	}

	return nil
}
