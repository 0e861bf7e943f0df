// Package feed lets other services follow what becomes true of orders: GET /events.
package feed

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
	"orders/api/operation"
	"orders/api/problem"
	"orders/db/event"
	"orders/order"
)

const (
	maxWaiting = 1_000                  // requests that wait for events at the same time
	fresh      = 100 * time.Millisecond // how old the horizon may be for those that wait
)

// latest is the position behind all events that there are.
const latest = "latest"

// A feed reads the log for requests. Those that wait share the readings of its horizon.
type feed struct {
	pool    *pgxpool.Pool
	watch   *event.Watch
	waiting atomic.Int64
}

// Register adds the operation.
func Register(api huma.API, pool *pgxpool.Pool) {
	f := &feed{pool: pool, watch: event.NewWatch(pool)}

	operation.Register(api, huma.Operation{
		OperationID: "list-events",
		Method:      http.MethodGet,
		Path:        "/events",
		Tags:        []string{"events"},
		Summary:     "Follow what happens to orders and stock",
		Description: "Lists events behind a position, in the order in which they became true: a later event of an order never comes " +
			"first. Store `next` with what you did because of the events, and send it as `after`. No event is missed: one is listed " +
			"only when no transaction can add another before it. An event is listed again if you send an earlier position; its `id` " +
			"stays the same. `next` may move on although `events` is empty. With `wait`, the response comes when there are events, " +
			"or after that time.",
	}, operation.Contract{
		Roles: access.ToRead,
		Response: eventPage{
			Events: []event.CloudEvent{event.Event{
				Position: event.Position{Seq: 4711, N: 1}, At: time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC),
				Type: event.Confirmed, OrderID: uuid.MustParse("019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11"), Reference: "web-1042",
			}.CloudEvent()},
			Next: event.Position{Seq: 4711, N: 1}.String(),
		},
		Returns:  "Events, and the position to go on from",
		Refusals: []order.Code{problem.BadCursor, problem.EventsDeleted},
	}, f.list)
}

type input struct {
	After string       `query:"after" maxLength:"64" example:"4711-1" doc:"next of the response before; without it, from the oldest event that is kept. latest begins behind the events that there are."`
	Type  []event.Type `query:"type" nullable:"false" minItems:"1" maxItems:"20" doc:"Only events of these types, separated by commas"`
	Limit int          `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The largest number of events to return"`
	Wait  int          `query:"wait" minimum:"0" maximum:"10" default:"0" doc:"Seconds to wait for an event if there is none"`
}

type eventPage struct {
	Events []event.CloudEvent `json:"events" nullable:"false"`
	Next   string             `json:"next" doc:"The position behind these events: send it as after"`
}

func (f *feed) list(ctx context.Context, in *input) (eventPage, error) {
	now, err := f.watch.Read(ctx, 0)
	if err != nil {
		return eventPage{}, err
	}

	if in.After == latest {
		if now, err = f.known(ctx); err != nil {
			return eventPage{}, err
		}
	}

	after, err := position(in.After, now)
	if err != nil {
		return eventPage{}, err
	}

	if in.Wait == 0 {
		return f.page(ctx, in, after, now.Complete)
	}

	if f.waiting.Add(1) > maxWaiting {
		f.waiting.Add(-1)

		return eventPage{}, order.Errorf(order.Unavailable, "Too many requests wait for events at the moment; try again.")
	}
	defer f.waiting.Add(-1)

	return f.await(ctx, in, after)
}

// position reads where a client is. Nobody can be behind what has been written.
func position(text string, now event.Reading) (event.Position, error) {
	switch text {
	case "":
		return event.Start, nil
	case latest:
		return event.End(now.Complete), nil
	}

	after, ok := event.ParsePosition(text)
	if !ok || after.Seq > now.Drawn {
		return after, order.Errorf(problem.BadCursor, "There is no such position; send next of an earlier response, or latest.").
			At(order.Queryf("after", "expected next of an earlier response"))
	}

	return after, nil
}

// known waits until this process knows a horizon. Without one, the latest position would be before
// events that are old.
func (f *feed) known(ctx context.Context) (event.Reading, error) {
	for {
		now, err := f.watch.Read(ctx, fresh)
		if err != nil || now.Complete > 0 || now.Drawn == 0 {
			return now, err
		}

		select {
		case <-ctx.Done():
			return now, order.Errorf(order.Unavailable, "An open transaction keeps the latest position from being known; try again.")
		case <-time.After(fresh):
		}
	}
}

// await reads pages until one has events or the time is over.
func (f *feed) await(ctx context.Context, in *input, after event.Position) (eventPage, error) {
	over := time.NewTimer(time.Duration(in.Wait) * time.Second)
	defer over.Stop()

	tick := time.NewTicker(fresh)
	defer tick.Stop()

	for {
		now, err := f.watch.Read(ctx, fresh)
		if err != nil {
			return eventPage{}, err
		}

		p := eventPage{Events: []event.CloudEvent{}, Next: after.String()}

		if now.Complete >= after.Seq {
			if p, err = f.page(ctx, in, after, now.Complete); err != nil || len(p.Events) > 0 {
				return p, err
			}

			after, _ = event.ParsePosition(p.Next)
		}

		select {
		case <-ctx.Done():
			return eventPage{}, ctx.Err() //nolint:wrapcheck // the client has gone
		case <-over.C:
			return p, nil
		case <-tick.C:
		}
	}
}

func (f *feed) page(ctx context.Context, in *input, after event.Position, horizon int64) (eventPage, error) {
	events, next, err := event.Read(ctx, f.pool, after, horizon, in.Type, in.Limit)
	if errors.Is(err, event.ErrPruned) {
		return eventPage{}, order.Errorf(problem.EventsDeleted, "%s", problem.TypeOf(problem.EventsDeleted).Detail)
	}

	return eventPage{Events: operation.Each(events, event.Event.CloudEvent), Next: next.String()}, err
}
