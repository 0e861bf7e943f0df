package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/access"
	"orders/api/operation"
	"orders/db/idempotency"
	"orders/order"
	"orders/order/flow"
)

func (s *service) registerChanges() {
	paid, cancelled := exampleOrder(), exampleOrder()
	cancelled.Status, cancelled.StatusReason = order.Cancelled, "ordered by mistake"
	cancelled.ReasonCode = operation.Optional[order.ReasonCode](order.CancelledByClient)

	for i := range cancelled.Steps {
		cancelled.Steps[i].State, cancelled.Steps[i].At = order.Skipped, &cancelled.UpdatedAt
	}

	operation.RegisterPost(s.api, huma.Operation{
		OperationID:  "cancel-order",
		Path:         "/orders/{id}/cancel",
		MaxBodyBytes: operation.SmallBody,
		Middlewares:  huma.Middlewares{s.inFlight.Limit},
		Tags:         []string{"orders"},
		Summary:      "Cancel an order",
		Description: "Ends an order that is `pending`, `awaiting_payment` or `confirmed`. In one transaction its stock is " +
			"returned, its points are taken back, and a message is put into the customer's inbox. If the order is already " +
			"cancelled, the response is the order, unchanged. The body is optional.",
	}, operation.Contract{
		Roles:    access.ToOrder,
		Request:  cancellation{Reason: operation.Text(cancelled.StatusReason)},
		Response: cancelled,
		Returns:  "The cancelled order",
		Refusals: []order.Code{order.StateConflict, order.NotFound, order.InFlightLimit},
	}, s.cancelOrder)

	operation.RegisterPost(s.api, huma.Operation{
		OperationID:  "pay-order",
		Path:         "/orders/{id}/payment",
		MaxBodyBytes: operation.SmallBody,
		Middlewares:  huma.Middlewares{s.inFlight.Limit},
		Tags:         []string{"orders"},
		Summary:      "Record an order's payment",
		Description: "Confirms a held order. If the order is still `pending`, the payment is kept, and the order is confirmed as soon " +
			"as its stock is reserved. If `amount` and `currency` are given, they must be the order's total. If the same payment is " +
			"sent again, nothing changes, and the response is the order with Idempotent-Replayed. A reference pays for one order " +
			"only, and an order is paid once. A payment that is refused, or whose order ends, must be returned to the customer: " +
			"the report refunds-due lists it.",
	}, operation.Contract{
		Roles:    access.ToOrder,
		Request:  payment{Reference: "pay-4711", Amount: &paid.Total, Currency: paid.Currency},
		Response: paid,
		Returns:  "The order as it is now: confirmed, or pending if its stock is not reserved yet",
		Refusals: []order.Code{
			order.StateConflict, order.PaymentReused, order.PaymentMismatch, order.NotFound, order.InFlightLimit,
		},
	}, s.payOrder)
}

type cancellation struct {
	_ struct{} `additionalProperties:"false"`

	Reason operation.Text `json:"reason,omitempty" maxLength:"500" doc:"Why, in words; kept as the order's status_reason"`
}

type cancelInput struct {
	operation.IdempotencyKey
	OrderKey

	Body *cancellation
}

func (s *service) cancelOrder(ctx context.Context, in *cancelInput, r idempotency.Request) (Order, bool, error) {
	cancelled, err := s.Cancel(ctx, flow.Cancellation{
		OrderID: in.logged(ctx), Reason: string(in.Body.Reason), Actor: access.Actor(ctx), Request: r,
	})

	return OrderOf(cancelled.Order), cancelled.Replayed, err
}

type payment struct {
	_ struct{} `additionalProperties:"false"`

	Reference operation.Text `json:"reference" minLength:"1" maxLength:"128" doc:"The payment provider's name for the payment. Two clients may use one name."`
	Amount    *int64         `json:"amount,omitempty" minimum:"0" dependentRequired:"currency" doc:"What was paid, in minor units of the currency. It must be the order's total. Without it, the payment is taken to be of the total."`
	Currency  string         `json:"currency,omitempty" pattern:"^[A-Z]{3}$" patternDescription:"three capital letters" dependentRequired:"amount" doc:"ISO 4217 code of the amount. It must be that of the order."`
}

type payInput struct {
	operation.IdempotencyKey
	OrderKey

	Body payment
}

func (s *service) payOrder(ctx context.Context, in *payInput, r idempotency.Request) (Order, bool, error) {
	p := order.Payment{Client: r.Client, Reference: string(in.Body.Reference), Currency: in.Body.Currency}
	if in.Body.Amount != nil {
		p.Amount = *in.Body.Amount
	}

	paid, err := s.Pay(ctx, flow.Payment{
		OrderID: in.logged(ctx), Payment: p, Actor: access.Actor(ctx), Request: r,
	})

	return OrderOf(paid.Order), paid.Replayed, err
}
