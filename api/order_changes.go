package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/operation"
	"orders/order"
	"orders/order/flow"
)

func (s *service) registerChanges() {
	cancelled := exampleOrder()
	cancelled.Status, cancelled.StatusReason = order.Cancelled, "ordered by mistake"

	for i := range cancelled.Steps {
		cancelled.Steps[i].State, cancelled.Steps[i].At = order.Skipped, &cancelled.UpdatedAt
	}

	operation.Register(s.api, huma.Operation{
		OperationID:  "cancel-order",
		Method:       http.MethodPost,
		Path:         "/orders/{id}/cancel",
		MaxBodyBytes: operation.SmallBody,
		Middlewares:  huma.Middlewares{s.inFlight.Limit},
		Tags:         []string{"orders"},
		Summary:      "Cancel an order",
		Description: "Ends an order that is `pending`, `awaiting_payment` or `confirmed`. In one transaction its stock is " +
			"returned, its points are taken back, and a message is put into the customer's inbox. If the order is already " +
			"cancelled, the response is the order, unchanged. The body is optional.",
	}, operation.Contract{
		Request:  cancellation{Reason: operation.Text(cancelled.StatusReason)},
		Response: cancelled,
		Returns:  "The cancelled order",
		Refusals: []order.Code{order.StateConflict, order.NotFound, order.InFlightLimit},
	}, s.cancelOrder)

	operation.Register(s.api, huma.Operation{
		OperationID:  "pay-order",
		Method:       http.MethodPost,
		Path:         "/orders/{id}/payment",
		MaxBodyBytes: operation.SmallBody,
		Middlewares:  huma.Middlewares{s.inFlight.Limit},
		Tags:         []string{"orders"},
		Summary:      "Record an order's payment",
		Description: "Confirms a held order that is `awaiting_payment`. If the same reference is sent again, nothing changes and " +
			"the response is the order. A reference pays for one order only, and an order is paid once.",
	}, operation.Contract{
		Request:  payment{Reference: "pay-4711"},
		Response: exampleOrder(),
		Returns:  "The confirmed order",
		Refusals: []order.Code{order.StateConflict, order.PaymentReused, order.NotFound, order.InFlightLimit},
	}, s.payOrder)
}

type cancellation struct {
	_ struct{} `additionalProperties:"false"`

	Reason operation.Text `json:"reason,omitempty" maxLength:"500" doc:"Why, in words; kept as the order's status_reason"`
}

type cancelInput struct {
	OrderKey

	Body *cancellation
}

func (s *service) cancelOrder(ctx context.Context, in *cancelInput) (Order, error) {
	c := flow.Cancellation{OrderID: in.logged(ctx), Actor: operation.Actor}
	if in.Body != nil {
		c.Reason = string(in.Body.Reason)
	}

	o, err := s.Cancel(ctx, c)

	return OrderOf(o), err
}

type payment struct {
	_ struct{} `additionalProperties:"false"`

	Reference operation.Text `json:"reference" minLength:"1" maxLength:"128" doc:"The payment provider's name for the payment"`
}

type payInput struct {
	OrderKey

	Body payment
}

func (s *service) payOrder(ctx context.Context, in *payInput) (Order, error) {
	o, err := s.Pay(ctx, flow.Payment{OrderID: in.logged(ctx), Reference: string(in.Body.Reference)})

	return OrderOf(o), err
}
