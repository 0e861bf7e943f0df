package event

import (
	"time"

	"github.com/google/uuid"

	"orders/order"
)

// A CloudEvent is an event as other services get it: a CloudEvent of version 1.0. It has ids and codes
// and no personal data: a receiver reads the order for the rest.
type CloudEvent struct {
	SpecVersion string         `json:"specversion" enum:"1.0" doc:"The version of CloudEvents"`
	ID          string         `json:"id" doc:"What the event tells. It is the same whenever the event is sent again, so skip an id that you know."`
	Source      string         `json:"source" format:"uri-reference"`
	Type        Type           `json:"type"`
	Subject     string         `json:"subject" doc:"The id of the order, or the sku of the product"`
	Time        time.Time      `json:"time" doc:"When the transaction began that made it true"`
	ContentType string         `json:"datacontenttype" enum:"application/json"`
	Data        CloudEventData `json:"data"`
}

// CloudEventData is what an event tells.
type CloudEventData struct {
	OrderID    uuid.UUID        `json:"order_id,omitzero" format:"uuid" doc:"The order; left out if the event is about a product"`
	SKU        string           `json:"sku,omitempty" doc:"The product whose stock became low; left out if the event is about an order"`
	Reference  string           `json:"reference,omitempty" doc:"The order's reference, if the client gave one"`
	Status     order.Status     `json:"status,omitempty" doc:"The status that the order got; left out if the event is not about the status"`
	ReasonCode order.ReasonCode `json:"reason_code,omitempty" doc:"Why the order ended"`
}

// CloudEvent is the event as other services get it.
func (e Event) CloudEvent() CloudEvent {
	data := CloudEventData{
		OrderID: e.OrderID, SKU: e.SKU, Reference: e.Reference, Status: e.Type.Status(), ReasonCode: order.ReasonCode(e.ReasonCode),
	}
	if e.Type == EndpointTest {
		data = CloudEventData{} // its id is of no order
	}

	return CloudEvent{
		SpecVersion: "1.0", ID: e.ID(), Source: "/orders", Type: e.Type, Subject: e.Subject(),
		Time: e.At.UTC(), ContentType: "application/json", Data: data,
	}
}
