package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"orders/order"
	"orders/order/flow"
)

// actor is who acts over HTTP, for as long as nobody is asked who they are.
const actor = "api"

func (s *service) registerLifecycle() {
	cancelled := exampleOrder()
	cancelled.Status, cancelled.StatusReason = order.Cancelled, "ordered by mistake"
	cancelled.Steps[1].State = order.Skipped

	register(s, huma.Operation{
		OperationID:  "cancel-order",
		Method:       http.MethodPost,
		Path:         "/orders/{id}/cancel",
		MaxBodyBytes: maxSmallBody,
		Middlewares:  huma.Middlewares{s.limitInFlight},
		Tags:         []string{"orders"},
		Summary:      "Cancel an order",
		Description: "Ends an order that is `pending`, `awaiting_payment` or `confirmed`: its stock is given back, its points are " +
			"taken back and the customer is told, all at once. An order that is cancelled already is answered as it is.",
	}, contract{
		request:  cancellation{Reason: cancelled.StatusReason},
		response: cancelled,
		answer:   "The order, cancelled",
		refusals: []order.Code{order.StateConflict, order.NotFound, order.Overloaded, order.Unavailable},
	}, s.cancelOrder)

	register(s, huma.Operation{
		OperationID:  "pay-order",
		Method:       http.MethodPost,
		Path:         "/orders/{id}/payment",
		MaxBodyBytes: maxSmallBody,
		Middlewares:  huma.Middlewares{s.limitInFlight},
		Tags:         []string{"orders"},
		Summary:      "Record an order's payment",
		Description: "Confirms a held order that is `awaiting_payment`. Sending the same reference again answers with the order " +
			"and changes nothing; a reference pays for one order only, and an order is paid once.",
	}, contract{
		request:  payment{Reference: "pay-4711"},
		response: exampleOrder(),
		answer:   "The order, confirmed",
		refusals: []order.Code{order.StateConflict, order.PaymentReused, order.NotFound, order.Overloaded, order.Unavailable},
	}, s.payOrder)
}

type cancellation struct {
	_ struct{} `additionalProperties:"false"`

	Reason string `json:"reason,omitempty" maxLength:"500" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"Why, in words; kept as the order's status_reason"`
}

type cancelInput struct {
	OrderKey

	Body cancellation
}

func (s *service) cancelOrder(ctx context.Context, in *cancelInput) (*answer[order.Order], error) {
	exchangeOf(ctx).order = in.ID.String()

	o, err := s.Cancel(ctx, flow.Cancellation{OrderID: in.ID, Reason: in.Body.Reason, Actor: actor})

	return &answer[order.Order]{Body: o}, err
}

type payment struct {
	_ struct{} `additionalProperties:"false"`

	Reference string `json:"reference" minLength:"1" maxLength:"128" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"The payment's name at whoever took it"`
}

type payInput struct {
	OrderKey

	Body payment
}

func (s *service) payOrder(ctx context.Context, in *payInput) (*answer[order.Order], error) {
	exchangeOf(ctx).order = in.ID.String()

	o, err := s.Pay(ctx, flow.Payment{OrderID: in.ID, Reference: in.Body.Reference})

	return &answer[order.Order]{Body: o}, err
}
