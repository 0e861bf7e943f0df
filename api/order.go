package api

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"orders/api/operation"
	"orders/order"
)

// An Order is an order as clients see it.
type Order struct {
	ID           uuid.UUID                            `json:"id" format:"uuid" doc:"A UUID of version 7: orders sort by the time of placing"`
	Reference    string                               `json:"reference" doc:"The client's own number of the order; empty if it has none"`
	Metadata     map[string]string                    `json:"metadata" nullable:"false" doc:"What the client keeps with the order"`
	Note         string                               `json:"note" doc:"Free text of the client"`
	Locale       order.Locale                         `json:"locale" doc:"The language of messages to the customer"`
	UserID       string                               `json:"user_id" doc:"The customer"`
	Status       order.Status                         `json:"status"`
	StatusReason string                               `json:"status_reason" doc:"Why the order has the status; empty if nothing went wrong"`
	ReasonCode   operation.Optional[order.ReasonCode] `json:"status_reason_code" doc:"Why the order ended, for programs; null if it has not ended"`
	Currency     string                               `json:"currency" doc:"ISO 4217 code"`
	Total        int64                                `json:"total" doc:"Sum of the lines in minor units of the currency"`
	HoldUntil    *time.Time                           `json:"hold_until" doc:"The payment deadline of a held order, else null"`
	CreatedAt    time.Time                            `json:"created_at"`
	UpdatedAt    time.Time                            `json:"updated_at" doc:"When the status last changed"`
	Attention    bool                                 `json:"attention" doc:"A step is dead, and an operator must decide"`
	Lines        []Line                               `json:"lines" nullable:"false"`
	Shortages    []Shortage                           `json:"shortages" nullable:"false" doc:"The lines for which there was not enough stock, if the order was rejected for that; else empty"`
	Steps        []Step                               `json:"steps" nullable:"false" doc:"The order's asynchronous work"`
}

// A Line is one product of an order.
type Line struct {
	SKU       string `json:"sku"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price" doc:"Minor units of the order's currency, at the time of placing"`
}

// A Shortage is a line for which there was not enough stock.
type Shortage struct {
	SKU       string `json:"sku"`
	Wanted    int64  `json:"wanted" doc:"The quantity of the line"`
	Available int64  `json:"available" doc:"What was left of the product when the order was rejected"`
}

// A Step is how far a step of an order is.
type Step struct {
	Name      order.StepName  `json:"name"`
	State     order.StepState `json:"state"`
	At        *time.Time      `json:"at" doc:"When it was done or skipped, else null"`
	Attempts  *int            `json:"attempts" doc:"Attempts of the step's newest job; null once the step is done or skipped, as its job is deleted then"`
	LastError string          `json:"last_error" doc:"Why the last attempt failed; empty once the step is done"`
}

// OrderOf is an order as clients see it.
func OrderOf(o order.Order) Order {
	return Order{
		ID:           o.ID,
		UserID:       o.UserID,
		Reference:    o.Reference,
		Metadata:     metadataOf(o.Metadata),
		Note:         o.Note,
		Locale:       o.Locale.OrDefault(),
		Status:       o.Status,
		StatusReason: o.StatusReason,
		ReasonCode:   operation.Optional[order.ReasonCode](o.StatusReasonCode),
		Currency:     o.Currency,
		Total:        o.Total,
		HoldUntil:    o.HoldUntil,
		CreatedAt:    o.CreatedAt,
		UpdatedAt:    o.UpdatedAt,
		Attention:    o.Attention,
		Lines:        operation.Each(o.Lines, lineOf),
		Shortages:    operation.Each(o.Shortages(), shortageOf),
		Steps:        operation.Each(o.Steps, stepOf),
	}
}

func lineOf(l order.Line) Line { return Line{SKU: l.SKU, Quantity: l.Quantity, UnitPrice: l.UnitPrice} }

var noMetadata = map[string]string{}

// metadataOf never returns nil, which JSON would show as null.
func metadataOf(m map[string]string) map[string]string {
	if m == nil {
		return noMetadata
	}

	return m
}

func shortageOf(s order.Shortage) Shortage { return Shortage(s) }

func stepOf(p order.StepProgress) Step { return Step(p) }

// EncodeOrder is the order as the data of its stream's events.
func EncodeOrder(o order.Order) ([]byte, error) { return json.Marshal(OrderOf(o)) }

// exampleOrder is the order of the document's examples: confirmed, with its first step
// done and its last one waiting.
func exampleOrder() Order {
	placed := time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC)
	settled := placed.Add(40 * time.Millisecond)

	o := Order{
		ID:        uuid.MustParse("019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11"),
		UserID:    "u-1",
		Reference: "web-4711",
		Metadata:  map[string]string{},
		Locale:    order.English,
		Status:    order.Confirmed,
		Currency:  "EUR",
		Total:     2500,
		CreatedAt: placed,
		UpdatedAt: settled,
		Lines:     []Line{{SKU: "tea", Quantity: 2, UnitPrice: 1250}},
		Shortages: []Shortage{},
	}

	for _, step := range order.Steps() {
		o.Steps = append(o.Steps, Step{Name: step.Name, State: order.Done, At: &settled})
	}

	last := len(o.Steps) - 1
	o.Steps[last] = Step{Name: o.Steps[last].Name, State: order.Waiting}

	return o
}
