package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"orders/api/access"
	"orders/api/operation"
	"orders/db/timeline"
	"orders/order"
	"orders/order/explain"
)

// maxEntries of a timeline are shown. An order that is not redriven hundreds of times has
// a few dozen.
const maxEntries = 1_000

func (s *service) registerTimeline() {
	o := exampleOrder()

	operation.Register(s.api, huma.Operation{
		OperationID: "get-timeline",
		Method:      http.MethodGet,
		Path:        "/orders/{id}/timeline",
		Tags:        []string{"orders"},
		Summary:     "Read what happened to an order",
		Description: "Lists what happened to the order, the oldest entry first: its placing, its steps, its changes of status with " +
			"their reasons, and the attempts of its jobs with their errors. There are also entries for dead letters, redrives and " +
			"acts of operators. Entries stay after the queue has deleted its jobs, except the attempts of jobs that succeeded in " +
			"the end. At most the newest 1,000 entries are listed.",
	}, operation.Contract{
		Roles: access.ToRead,
		Response: OrderTimeline{OrderID: o.ID, Entries: []TimelineEntry{
			TimelineEntryOf(explain.Tell(timeline.Entry{
				At: o.CreatedAt, Type: timeline.Placed, Detail: map[string]any{"total": o.Total, "currency": o.Currency},
			})),
			TimelineEntryOf(explain.Tell(timeline.Entry{At: o.UpdatedAt, Type: timeline.Attempt, Step: order.Points, Detail: map[string]any{
				"job_id": 4711, "kind": "points", "attempt": 1, "code": string(order.Unavailable),
			}})),
		}},
		Returns:  "The timeline, the oldest entry first",
		Refusals: []order.Code{order.NotFound},
	}, s.getTimeline)
}

// An OrderTimeline is what happened to an order.
type OrderTimeline struct {
	OrderID   uuid.UUID       `json:"order_id" format:"uuid"`
	Entries   []TimelineEntry `json:"entries" nullable:"false"`
	Truncated bool            `json:"truncated" doc:"There are older entries, which are not listed"`
}

// A TimelineEntry is something that happened to an order.
type TimelineEntry struct {
	At     time.Time                          `json:"at"`
	Type   timeline.Type                      `json:"type"`
	Step   operation.Optional[order.StepName] `json:"step" doc:"The step that the entry belongs to, else null"`
	Text   string                             `json:"text" doc:"What happened, in words"`
	Actor  string                             `json:"actor" doc:"Who did it; empty if the system did"`
	Detail map[string]any                     `json:"detail" nullable:"false" doc:"What happened, for programs; the fields depend on the type"`
}

// TimelineEntryOf makes the JSON of an entry.
func TimelineEntryOf(e explain.Entry) TimelineEntry {
	return TimelineEntry{
		At: e.At, Type: e.Type, Step: operation.Optional[order.StepName](e.Step), Text: e.Text, Actor: e.Actor, Detail: e.Detail,
	}
}

func (s *service) getTimeline(ctx context.Context, in *OrderKey) (OrderTimeline, error) {
	id := in.logged(ctx)

	entries, err := explain.Timeline(ctx, s.Pool, id, maxEntries+1)
	if err != nil {
		return OrderTimeline{}, err
	}

	truncated := len(entries) > maxEntries
	if truncated {
		entries = entries[1:]
	}

	return OrderTimeline{OrderID: id, Entries: operation.Each(entries, TimelineEntryOf), Truncated: truncated}, nil
}
