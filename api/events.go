package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

func (s *service) registerEvents() {
	op := huma.Operation{
		OperationID: "watch-order",
		Method:      http.MethodGet,
		Path:        "/orders/{id}/events",
		Tags:        []string{"orders"},
		Summary:     "Watch an order until it settles",
		Description: "Server-sent events. `order` has the order as its data: as it is now, and again whenever it has changed; states " +
			"that follow each other closely may be one event. When nothing more is to come, `settled` tells the status and the stream " +
			"ends. Every 15 seconds there is a comment, as a sign of life. A stream ends after 10 minutes, when its client does not " +
			"read, and when the process does: come back with `Last-Event-ID`, as browsers do by themselves, and what was seen is " +
			"not sent again. " +
			"Who has seen `settled` is answered 204, at which browsers stop.",
	}
	describe(&op, contract{
		media:    eventStream,
		response: exampleEvents(),
		answer:   "The events",
		refusals: []order.Code{order.NotFound, order.Unavailable},
	}, s.api.OpenAPI().Components.Schemas)

	op.Responses["200"].Content[eventStream].Schema = &huma.Schema{Type: huma.TypeString}
	op.Responses["204"] = &huma.Response{
		Description: "The order has settled, and Last-Event-ID says that the client knows",
		Headers:     map[string]*huma.Param{requestID: headerRef(requestID)},
	}

	huma.Register(s.api, op, s.watchOrder)
}

type watchInput struct {
	OrderKey

	LastEventID string `header:"Last-Event-ID" maxLength:"64" pattern:"^[\\x21-\\x7e]*$" patternDescription:"visible ASCII characters" example:"5d41402abc4b2a76" doc:"The id of the last event that was seen; nothing is sent until the order is another"` //nolint:tagliatelle // the standard's spelling
}

// watchOrder opens a stream.
func (s *service) watchOrder(ctx context.Context, in *watchInput) (*huma.StreamResponse, error) {
	exchangeOf(ctx).order = in.ID.String()

	now, err := s.readState(ctx, in.ID)
	if err != nil {
		return nil, problemOf(ctx, err)
	}

	if now.settled && in.LastEventID == now.settledID() {
		return &huma.StreamResponse{Body: func(answer huma.Context) { answer.SetStatus(http.StatusNoContent) }}, nil
	}

	place, err := s.Watch.subscribe(in.ID)
	if err != nil {
		return nil, problemOf(ctx, err)
	}

	return &huma.StreamResponse{Body: func(answer huma.Context) { //nolint:contextcheck // huma's has the request's in it
		defer s.Watch.leave(place)

		r, w := humago.Unwrap(answer)
		w.Header().Set("Content-Type", eventStream)
		w.Header().Set("X-Accel-Buffering", "no") // nginx would gather the events
		w.WriteHeader(http.StatusOK)

		if r.Method == http.MethodHead {
			return
		}

		stream := stream{Watch: s.Watch, to: w, seen: in.LastEventID}
		stream.follow(r.Context(), now, place.news)
	}}, nil
}

// readState reads what a stream begins with.
func (s *service) readState(ctx context.Context, id uuid.UUID) (now state, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()

	err = db.Snapshot(ctx, s.Pool, func(tx pgx.Tx) error {
		o, err := db.Order(ctx, tx, id)
		if err != nil {
			return err
		}

		now, err = stateOf(o)

		return err
	})

	return now, err
}

// settledID is the id of the event that ends the stream at this state.
func (s state) settledID() string { return s.id + "-settled" }

// A stream writes events to one client.
type stream struct {
	*Watch

	to   http.ResponseWriter
	seen string // the id of the last event that the client has
}

// follow writes until the order settles, the client or the server goes, or it is time.
func (s *stream) follow(ctx context.Context, now state, news <-chan state) {
	heartbeat := time.NewTicker(s.Heartbeat)
	defer heartbeat.Stop()

	end := time.NewTimer(s.MaxDuration)
	defer end.Stop()

	// The first line says how soon to come back, and opens the stream where there is nothing to show.
	for ok := s.write("retry: 1000\n\n"); ok && s.show(now) && !now.settled; {
		select {
		case <-ctx.Done():
			return
		case <-s.ctx.Done():
			return
		case <-end.C:
			return
		case <-heartbeat.C:
			ok = s.write(": still there\n\n")
		case now = <-news:
		}
	}
}

// show writes what the client has not seen of the state.
func (s *stream) show(now state) bool {
	var text strings.Builder

	if s.seen != now.id {
		fmt.Fprintf(&text, "id: %s\nevent: order\ndata: %s\n\n", now.id, now.data)
	}

	if now.settled {
		fmt.Fprintf(&text, "id: %s\nevent: settled\ndata: {\"status\":%q}\n\n", now.settledID(), now.status)
	}

	s.seen = now.id

	return text.Len() == 0 || s.write(text.String())
}

// write sends text, or tells that the client is gone or has stopped to read.
func (s *stream) write(text string) bool {
	connection := http.NewResponseController(s.to)
	if err := connection.SetWriteDeadline(time.Now().Add(s.Patience)); err != nil {
		return false
	}

	if _, err := s.to.Write([]byte(text)); err != nil {
		return false
	}

	return connection.Flush() == nil
}

func exampleEvents() string {
	return "retry: 1000\n\nid: 5d41402abc4b2a76\nevent: order\ndata: {\"id\":\"" + exampleOrder().ID.String() +
		"\",\"status\":\"confirmed\", …}\n\nid: 5d41402abc4b2a76-settled\nevent: settled\ndata: {\"status\":\"confirmed\"}\n\n"
}
