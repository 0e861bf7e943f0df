package webhook

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/operation"
	"orders/db/delivery"
	"orders/db/event"
	"orders/db/idempotency"
	"orders/order"
	"orders/order/webhook"
)

// A Delivery is what became of an event at a webhook, or of the mail that tells it.
type Delivery struct {
	ID        int64                   `json:"id"`
	Channel   delivery.Kind           `json:"channel"`
	WebhookID *uuid.UUID              `json:"webhook_id" format:"uuid" nullable:"true" doc:"Null for mail"`
	EventID   string                  `json:"event_id" doc:"The event's id: the webhook-id that a receiver sees"`
	EventType operation.DeliveredType `json:"event_type"`
	EventAt   time.Time               `json:"event_at"`
	OrderID   *uuid.UUID              `json:"order_id" format:"uuid" nullable:"true" doc:"The order that the event is about; null if it is about none"`
	SKU       *string                 `json:"sku" nullable:"true" doc:"The product that the event is about; null if it is about none"`
	State     delivery.State          `json:"state"`
	Attempts  int                     `json:"attempts" doc:"Since it was made, or since an operator let it be sent again"`
	NextAt    *time.Time              `json:"next_at" doc:"When it is sent again; null unless it waits"`
	Status    int                     `json:"status" doc:"HTTP status of the last answer, or of SMTP for mail; 0 if there was none"`
	Answer    string                  `json:"answer" doc:"The beginning of the last answer, or why there was none"`
	Provider  string                  `json:"provider_id" doc:"What a mail server said when it took the mail; empty for others"`
	CreatedAt time.Time               `json:"created_at"`
	UpdatedAt time.Time               `json:"updated_at" doc:"Of the last attempt"`
}

// DeliveryOf is a delivery as clients see it.
func DeliveryOf(d delivery.Delivery) Delivery {
	shown := Delivery{
		ID: d.ID, Channel: d.Channel, WebhookID: &d.EndpointID, EventID: d.EventID,
		EventType: operation.DeliveredType(d.EventType), EventAt: d.EventAt,
		OrderID: d.OrderID, SKU: d.SKU, State: d.State,
		Attempts: d.Attempts, NextAt: d.NextAt, Status: d.Status, Answer: d.Answer, Provider: d.ProviderID,
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
	if d.Channel != delivery.Webhook {
		shown.WebhookID = nil
	}

	if d.EventType == event.EndpointTest {
		shown.OrderID = nil
	}

	return shown
}

var exampleOrder = uuid.MustParse("019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11")

var exampleDelivery = Delivery{
	ID: 4711, Channel: delivery.Webhook, WebhookID: &exampleID, EventID: string(event.Confirmed) + ":" + exampleOrder.String(),
	EventType: operation.DeliveredType(event.Confirmed), EventAt: exampleTime, OrderID: &exampleOrder, State: delivery.Sent, Attempts: 1,
	Status: http.StatusNoContent, CreatedAt: exampleTime, UpdatedAt: exampleTime,
}

func (s *service) registerDeliveries(api huma.API) {
	operation.Register(api, huma.Operation{
		OperationID: "list-deliveries", Method: http.MethodGet, Path: "/deliveries", Tags: []string{"webhooks"},
		Summary: "List deliveries",
		Description: "Lists what became of events at webhooks and of mails to customers, the newest first. " +
			"A delivery must match all filters that are sent. " +
			"An event has none before its first attempt. They are kept as long as events are.",
	}, operation.Contract{
		Roles: access.ToWatch, Response: deliveryPage{Deliveries: []Delivery{exampleDelivery}}, Returns: "A page of deliveries",
	}, s.deliveries)

	operation.Register(api, huma.Operation{
		OperationID: "get-delivery", Method: http.MethodGet, Path: "/deliveries/{delivery_id}", Tags: []string{"webhooks"},
		Summary: "Read a delivery", Description: "Reads what became of an event at a webhook.",
	}, operation.Contract{
		Roles: access.ToWatch, Response: exampleDelivery, Returns: "The delivery", Refusals: []order.Code{order.NotFound},
	}, s.delivery)

	waiting := exampleDelivery
	waiting.State, waiting.Attempts, waiting.NextAt = delivery.Waiting, 0, &exampleTime

	operation.RegisterPost(api, huma.Operation{
		OperationID: "redeliver", Path: "/deliveries/{delivery_id}/redeliver", Tags: []string{"webhooks"},
		Summary: "Send an event again",
		Description: "Lets the event be sent at once, whatever became of it, and again for three days if it does not arrive. " +
			"Its `webhook-id` stays the same: a receiver that knows it skips it.",
	}, operation.Contract{
		Roles: access.ToOperate, Response: waiting, Returns: "The delivery", Refusals: []order.Code{order.NotFound},
	}, s.redeliver)
}

type listInput struct {
	operation.Page
	operation.Period

	WebhookID operation.ID            `query:"webhook_id" doc:"Only deliveries of this webhook"`
	State     delivery.State          `query:"state" doc:"Only deliveries in this state"`
	EventType operation.DeliveredType `query:"event_type" doc:"Only events of this type"`
	OrderID   operation.ID            `query:"order_id" doc:"Only events of this order"`
}

type deliveryPage struct {
	Deliveries []Delivery `json:"deliveries" nullable:"false"`

	operation.NextPage
}

var deliveries = operation.List[delivery.Delivery, int64]{
	Name:     "deliveries.1",
	Position: func(d delivery.Delivery) int64 { return d.ID },
}

func (s *service) deliveries(ctx context.Context, in *listInput) (deliveryPage, error) {
	since, until, err := in.Moments()
	if err != nil {
		return deliveryPage{}, err //nolint:wrapcheck // a refusal
	}

	filter := delivery.Filter{
		EndpointID: uuid.UUID(in.WebhookID), State: in.State, Type: event.Type(in.EventType), OrderID: uuid.UUID(in.OrderID),
		Since: since, Until: until,
	}

	page, next, err := deliveries.Page(in.Page, func(after *int64, limit int) ([]delivery.Delivery, error) {
		var before int64
		if after != nil {
			before = *after
		}

		return delivery.Deliveries(ctx, s.Pool, filter, before, limit)
	})

	return deliveryPage{Deliveries: operation.Each(page, DeliveryOf), NextPage: next}, err
}

type getInput struct {
	DeliveryID int64 `path:"delivery_id" minimum:"1" doc:"The delivery's id"`
}

func (s *service) delivery(ctx context.Context, in *getInput) (Delivery, error) {
	d, err := delivery.Find(ctx, s.Pool, in.DeliveryID)

	return DeliveryOf(d), err
}

type redeliverInput struct {
	operation.IdempotencyKey

	DeliveryID int64 `path:"delivery_id" minimum:"1" doc:"The delivery's id"`
}

func (s *service) redeliver(ctx context.Context, in *redeliverInput, r idempotency.Request) (Delivery, bool, error) {
	return idempotency.InTx(ctx, s.Pool, r, func(tx pgx.Tx) (Delivery, error) {
		d, err := webhook.Redeliver(ctx, tx, in.DeliveryID, access.Actor(ctx))

		return DeliveryOf(d), err
	})
}
