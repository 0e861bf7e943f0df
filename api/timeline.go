package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"orders/db"
	"orders/order"
)

// maxEntries of a timeline are shown; an order that is not redriven hundreds of times has a few dozen.
const maxEntries = 1_000

func (s *service) registerTimeline() {
	o := exampleOrder()
	placed := order.Entry{At: o.CreatedAt, Type: order.PlacedEntry, Detail: map[string]any{"total": o.Total, "currency": o.Currency}}
	failed := order.Entry{At: o.UpdatedAt, Type: order.AttemptEntry, Step: order.Points, Detail: map[string]any{
		"job_id": 4711, "kind": "points", "attempt": 1, "error": "unavailable: conn closed",
	}}

	placed.Word()
	failed.Word()

	register(s, huma.Operation{
		OperationID: "get-timeline",
		Method:      http.MethodGet,
		Path:        "/orders/{id}/timeline",
		Tags:        []string{"orders"},
		Summary:     "Read what happened to an order",
		Description: "Everything in the order of time: the placing, the attempts of its jobs with their errors, what the ledgers hold of " +
			"it, its changes of status with their reasons, dead letters, redrives and what people did. It outlives the queue's own " +
			"records, but for the attempts of jobs that succeeded in the end. At most the newest 1,000 entries.",
	}, contract{
		response: timeline{OrderID: o.ID, Entries: []order.Entry{placed, failed}},
		answer:   "The timeline, the oldest entry first",
		refusals: []order.Code{order.NotFound, order.Unavailable},
	}, s.getTimeline)
}

type timeline struct {
	OrderID   uuid.UUID     `json:"order_id" format:"uuid"`
	Entries   []order.Entry `json:"entries" nullable:"false"`
	Truncated bool          `json:"truncated" doc:"There are older entries, which are not shown"`
}

func (s *service) getTimeline(ctx context.Context, in *OrderKey) (*answer[timeline], error) {
	exchangeOf(ctx).order = in.ID.String()

	entries, err := db.Timeline(ctx, s.Pool, in.ID, maxEntries+1)
	if err != nil {
		return nil, err
	}

	t := timeline{OrderID: in.ID, Entries: entries, Truncated: len(entries) > maxEntries}
	if t.Truncated {
		t.Entries = entries[1:]
	}

	return &answer[timeline]{Body: t}, nil
}
