package stream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"orders/order"
)

// MediaType is the media type of server-sent events.
const MediaType = "text/event-stream"

// A state is an order as streams show it.
type state struct {
	id      string // of the content, see [identity]
	data    []byte
	status  order.Status
	settled bool
}

func (w *Watch) stateOf(o order.Order) (state, error) {
	data, err := w.Encode(o)
	if err != nil {
		return state{}, err
	}

	known, err := w.Encode(identity(o))
	if err != nil {
		return state{}, err
	}

	sum := sha256.Sum256(known)

	return state{id: hex.EncodeToString(sum[:8]), data: data, status: o.Status, settled: o.Settled()}, nil
}

// identity is the order without what changes although nothing happens to it. The
// attempts of a step that is over fall to 0 when the queue deletes its job. With them in
// the id, a client that reconnects would get events a second time.
func identity(o order.Order) order.Order {
	o.Steps = slices.Clone(o.Steps)

	for i, s := range o.Steps {
		if s.State == order.Done || s.State == order.Skipped {
			o.Steps[i].Attempts = nil
		}
	}

	return o
}

// settledID is the id of the event that ends the stream at this state.
func (s state) settledID() string { return s.id + "-settled" }

// A Stream sends an order's changes to one client.
type Stream struct {
	watch *Watch
	order uuid.UUID
	first state      // the state at the opening
	seen  string     // the id of the last event that the client has seen
	news  chan state // buffered: the newest state, whatever the stream is doing
}

// over tells whether the order has settled and the client knows.
func (s *Stream) over() bool { return s.first.settled && s.seen == s.first.settledID() }

// put replaces what the stream has not taken yet. Only the goroutine that reads orders puts.
func (s *Stream) put(now state) {
	select {
	case <-s.news:
	default:
	}

	s.news <- now
}

// Serve writes the events, then closes the stream. It ends when the order has settled,
// when the client disconnects, when the watch is closed, and after MaxDuration. If the
// client has seen the last event, the response is 204: browsers then do not reconnect.
func (s *Stream) Serve(w http.ResponseWriter, r *http.Request) {
	if s.over() {
		w.WriteHeader(http.StatusNoContent)

		return
	}

	defer s.watch.remove(s)

	w.Header().Set("Content-Type", MediaType)
	w.Header().Set("X-Accel-Buffering", "no") // nginx would buffer the events
	w.WriteHeader(http.StatusOK)

	if r.Method != http.MethodHead {
		s.follow(r.Context(), w)
	}
}

func (s *Stream) follow(ctx context.Context, w http.ResponseWriter) {
	heartbeat := time.NewTicker(s.watch.Heartbeat)
	defer heartbeat.Stop()

	end := time.NewTimer(s.watch.MaxDuration)
	defer end.Stop()

	now := s.first

	// The first line says how soon to reconnect. It also opens the stream when there is no event to send.
	for ok := s.write(w, "retry: 1000\n\n"); ok && s.show(w, now) && !now.settled; {
		select {
		case <-ctx.Done():
			return
		case <-s.watch.ctx.Done():
			return
		case <-end.C:
			return
		case <-heartbeat.C:
			ok = s.write(w, ": heartbeat\n\n")
		case now = <-s.news:
		}
	}
}

// show writes what the client has not seen of the state.
func (s *Stream) show(w http.ResponseWriter, now state) bool {
	var text strings.Builder

	if s.seen != now.id {
		fmt.Fprintf(&text, "id: %s\nevent: order\ndata: %s\n\n", now.id, now.data)
	}

	if now.settled {
		fmt.Fprintf(&text, "id: %s\nevent: settled\ndata: {\"status\":%q}\n\n", now.settledID(), now.status)
	}

	s.seen = now.id

	return text.Len() == 0 || s.write(w, text.String())
}

// write sends text. It returns false when the client has gone or does not read.
func (s *Stream) write(w http.ResponseWriter, text string) bool {
	connection := http.NewResponseController(w)
	if err := connection.SetWriteDeadline(time.Now().Add(s.watch.WriteTimeout)); err != nil {
		return false
	}

	if _, err := w.Write([]byte(text)); err != nil {
		return false
	}

	return connection.Flush() == nil
}
