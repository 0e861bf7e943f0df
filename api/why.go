package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/operation"
	"orders/db"
	"orders/order"
	"orders/order/explain"
)

func (s *service) registerWhy() {
	until := exampleOrder().UpdatedAt.Add(8 * time.Second)
	retry := Reason{
		Code: explain.AwaitingRetry,
		Text: "The points job has failed 3 times (" + order.PublicError(order.Unavailable) +
			"); its next attempt is at 2026-01-05 09:30:08 UTC.",
		Step:  operation.Optional[order.StepName](order.Points),
		Until: &until,
	}

	operation.Register(s.api, huma.Operation{
		OperationID: "explain-order",
		Method:      http.MethodGet,
		Path:        "/orders/{id}/why",
		Tags:        []string{"orders"},
		Summary:     "Explain why an order has not settled",
		Description: "Returns the most important reason: reasons that need an operator come first. `reasons` has all of them: one " +
			"for each step that is not done, and one for the order while it waits for its payment. The code is `settled` for an " +
			"order that is confirmed with all its work done, and `final` for an order that has ended.",
	}, operation.Contract{
		Roles: access.ToRead,
		Response: Explanation{
			OrderID: exampleOrder().ID, Status: order.Confirmed, Reason: retry, Reasons: []Reason{retry}, Warnings: []string{},
		},
		Returns:  "The most important reason, and all reasons",
		Refusals: []order.Code{order.NotFound},
	}, s.explainOrder)
}

// A Reason is why an order, or one of its steps, has not settled.
type Reason struct {
	Code  explain.Code                       `json:"code"`
	Text  string                             `json:"text" doc:"The reason in words"`
	Step  operation.Optional[order.StepName] `json:"step" doc:"The step that the reason is about; null for the order itself"`
	Until *time.Time                         `json:"until" doc:"When something happens without an operator, for example the next attempt; null if that is not known"`
	Link  string                             `json:"link" doc:"An address with more information; empty for none"`
}

// ReasonOf makes the JSON of a reason.
func ReasonOf(r explain.Reason) Reason {
	return Reason{Code: r.Code, Text: r.Text, Step: operation.Optional[order.StepName](r.Step), Until: r.Until, Link: r.Link}
}

// An Explanation says why an order has not settled, or that it has.
type Explanation struct {
	OrderID uuid.UUID    `json:"order_id" format:"uuid"`
	Status  order.Status `json:"status"`

	Reason

	Reasons []Reason `json:"reasons" nullable:"false" doc:"All reasons, the most important first; empty for an order that has settled"`

	Warnings []string `json:"warnings" nullable:"false" doc:"What does not delay the order, but an operator should mend, in sentences: for example a machine's clock"`
}

func (s *service) explainOrder(ctx context.Context, in *OrderKey) (Explanation, error) {
	out := Explanation{OrderID: in.logged(ctx)}

	err := db.Snapshot(ctx, s.Pool, func(tx pgx.Tx) error {
		status, why, err := explain.Why(ctx, tx, out.OrderID, s.RedriveAfter)
		out.Status, out.Reason, out.Reasons = status, ReasonOf(why.Reason), operation.Each(why.Reasons, ReasonOf)
		out.Warnings = why.Warnings

		return err
	})
	if warning := s.Clock.Warning(); err == nil && warning != "" {
		out.Warnings = append(out.Warnings, warning)
	}

	return out, err
}
