// Package receiver has the services that webhooks are sent to: good ones and bad ones.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"orders/cmd/bench/database"
	"orders/db/event"
)

// A Mode is what a receiver does with what it is sent.
type Mode string

// The modes.
const (
	Healthy Mode = "healthy"
	Hangs   Mode = "hangs"
	Fails   Mode = "fails"   // 500
	Limits  Mode = "limits"  // 429 with Retry-After
	Down    Mode = "is down" // nothing listens
)

// Bad are the modes in which nothing arrives.
var Bad = []Mode{Hangs, Fails, Limits, Down}

const (
	retryAfter    = "2" // seconds
	headerTimeout = 10 * time.Second
)

// Type is the type of the events that receivers are sent: one an order.
const Type = event.Confirmed

// A Receiver counts the events that it has taken. It skips none: what comes again counts.
type Receiver struct {
	address string

	mu      sync.Mutex
	mode    Mode
	changed chan struct{} // closed when the mode changes
	server  *http.Server  // nil while it is down
	got     map[uuid.UUID]int
	again   int
	first   time.Time // when the first event has come
	last    time.Time // when an event has come that was not known
}

// Start makes a receiver at a free port of loopback.
func Start(ctx context.Context, mode Mode) (*Receiver, error) {
	r := &Receiver{got: map[uuid.UUID]int{}, mode: mode, changed: make(chan struct{})}

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a receiver: %w", err)
	}

	r.address = listener.Addr().String()

	if mode == Down {
		return r, listener.Close()
	}

	r.serve(listener)

	return r, nil
}

// URL is where it is.
func (r *Receiver) URL() string { return "http://" + r.address + "/events" }

// serve serves on the listener. The caller has the lock, or is the only one.
func (r *Receiver) serve(listener net.Listener) {
	server := &http.Server{Handler: r, ReadHeaderTimeout: headerTimeout}
	r.server = server

	go func() { _ = server.Serve(listener) }() // it ends when the server is closed
}

// Set changes the mode. Requests that hang get the answer of the new one.
func (r *Receiver) Set(ctx context.Context, mode Mode) error {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.mode = mode
	close(r.changed)
	r.changed = make(chan struct{})

	if mode == Down {
		return r.close()
	}

	if r.server != nil {
		return nil
	}

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", r.address)
	if err != nil {
		return fmt.Errorf("start a receiver again: %w", err)
	}

	r.serve(listener)

	return nil
}

// Close ends it.
func (r *Receiver) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.close()
}

func (r *Receiver) close() (err error) {
	if r.server != nil {
		err = r.server.Close()
		r.server = nil
	}

	return err
}

// ServeHTTP takes an event, or does what its mode is.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	_, err := io.Copy(io.Discard, request.Body)
	if err != nil {
		return // the sender has gone
	}

	for {
		r.mu.Lock()
		mode, changed := r.mode, r.changed
		r.mu.Unlock()

		switch mode {
		case Hangs:
			select {
			case <-changed:
				continue
			case <-request.Context().Done():
				return
			}
		case Fails:
			w.WriteHeader(http.StatusInternalServerError)
		case Limits:
			w.Header().Set("Retry-After", retryAfter)
			w.WriteHeader(http.StatusTooManyRequests)
		case Healthy, Down:
			w.WriteHeader(r.take(request.Header.Get("Webhook-Id")))
		}

		return
	}
}

// take counts an event.
func (r *Receiver) take(id string) (status int) {
	order, err := uuid.Parse(strings.TrimPrefix(id, string(Type)+":"))
	if err != nil {
		return http.StatusBadRequest
	}

	r.mu.Lock()
	defer r.mu.Unlock()

	if r.got[order]++; r.got[order] > 1 {
		r.again++
	} else {
		r.last = time.Now()
	}

	if r.first.IsZero() {
		r.first = r.last
	}

	return http.StatusNoContent
}

// A Count is what has come.
type Count struct {
	Events int       // different ones
	Again  int       // that were known
	First  time.Time // when the first one came
	Last   time.Time // when the last one came that was not known
}

// Count counts what has come so far.
func (r *Receiver) Count() Count {
	r.mu.Lock()
	defer r.mu.Unlock()

	return Count{Events: len(r.got), Again: r.again, First: r.first, Last: r.last}
}

// Check fails unless the orders' events have all come, and no others.
func (r *Receiver) Check(orders []uuid.UUID) error {
	r.mu.Lock()
	defer r.mu.Unlock()

	lost := 0

	for _, id := range orders {
		if r.got[id] == 0 {
			lost++
		}
	}

	if lost > 0 || len(r.got) != len(orders) {
		return fmt.Errorf("of %d events, %d are lost; %d different ones have come", len(orders), lost, len(r.got))
	}

	return nil
}

// Await waits until so many different events have come.
func (r *Receiver) Await(ctx context.Context, events int) error {
	const every = 20 * time.Millisecond

	for r.Count().Events < events {
		if !database.Sleep(ctx, every) {
			return errors.Join(context.Cause(ctx), fmt.Errorf("%d of %d events have come", r.Count().Events, events))
		}
	}

	return nil
}
