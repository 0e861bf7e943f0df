package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

func (s *service) registerWhy() {
	until := exampleOrder().UpdatedAt.Add(8 * time.Second)
	retry := order.Reason{
		Code: order.AwaitingRetry,
		Text: "The points job has failed 3 times (" + order.PublicError("unavailable:") +
			") and is tried again at 2026-01-05 09:30:08 UTC.",
		Step:  order.Points,
		Until: &until,
	}

	register(s, huma.Operation{
		OperationID: "explain-order",
		Method:      http.MethodGet,
		Path:        "/orders/{id}/why",
		Tags:        []string{"orders"},
		Summary:     "Explain why an order has not settled",
		Description: "One answer, the most important reason: what wants somebody's hand comes before what needs but time. `reasons` has " +
			"them all, one for each step that is not done, and one for the order when it waits for its payment. An order that is " +
			"confirmed with all its work done answers `settled`, one that is over `final`.",
	}, contract{
		response: explanation{
			OrderID: exampleOrder().ID, Status: order.Confirmed,
			Answer: order.Answer{Reason: retry, Reasons: []order.Reason{retry}},
		},
		answer:   "The answer",
		refusals: []order.Code{order.NotFound, order.Unavailable},
	}, s.explainOrder)
}

type explanation struct {
	OrderID uuid.UUID    `json:"order_id" format:"uuid"`
	Status  order.Status `json:"status" enum:"pending,awaiting_payment,confirmed,rejected,expired,cancelled,failed" doc:"Where the order stands"`

	order.Answer
}

func (s *service) explainOrder(ctx context.Context, in *OrderKey) (*answer[explanation], error) {
	exchangeOf(ctx).order = in.ID.String()

	var facts order.Facts

	err := db.Snapshot(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		facts, err = db.Facts(ctx, tx, in.ID)

		return err
	})
	if err != nil {
		return nil, err
	}

	facts.RedriveAfter = s.RedriveAfter

	return &answer[explanation]{Body: explanation{OrderID: in.ID, Status: facts.Order.Status, Answer: order.Explain(facts)}}, nil
}
