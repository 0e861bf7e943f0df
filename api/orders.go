package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
	"orders/order/flow"
)

func (s *service) registerOrders() {
	register(s, huma.Operation{
		OperationID:   "place-order",
		Method:        http.MethodPost,
		Path:          "/orders",
		DefaultStatus: http.StatusCreated,
		MaxBodyBytes:  maxOrderBody,
		Middlewares:   huma.Middlewares{s.limitBacklog, s.limitInFlight},
		Tags:          []string{"orders"},
		Summary:       "Place an order",
		Description: "Prices the lines from the catalogue and accepts the order; its steps follow by themselves, and the order " +
			"goes from `pending` to `confirmed`, or to `awaiting_payment` if it is held, or, out of stock, to `rejected`. Products " +
			"that are unknown, twice in the order " +
			"or of several currencies, and a total that is too large, are refused, and nothing is written. While work waits for " +
			"too long, orders are refused with 503; send them again after Retry-After, under the same Idempotency-Key.",
	}, contract{
		request:  newOrder{UserID: "u-1", Lines: []newOrderLine{{SKU: "tea", Quantity: 2}}},
		response: exampleOrder(),
		answer:   "The order; with Idempotent-Replayed, the one that was placed under the key before",
		refusals: []order.Code{
			order.InvalidLines, order.InvalidQuantity, order.DuplicateSKU, order.UnknownSKU,
			order.MixedCurrencies, order.TotalOverflow, order.KeyReused, order.Overloaded, order.Unavailable,
		},
	}, s.placeOrder)

	register(s, huma.Operation{
		OperationID: "list-orders",
		Method:      http.MethodGet,
		Path:        "/orders",
		Tags:        []string{"orders"},
		Summary:     "List orders",
		Description: "Orders with their lines and steps, the newest first.",
	}, contract{
		response: orderPage{Orders: []order.Order{exampleOrder()}},
		answer:   "A page of orders",
		refusals: []order.Code{badCursor, order.Unavailable},
	}, s.listOrders)

	register(s, huma.Operation{
		OperationID: "get-order",
		Method:      http.MethodGet,
		Path:        "/orders/{id}",
		Tags:        []string{"orders"},
		Summary:     "Read an order",
		Description: "The order with its lines and steps. An id that is no UUID is refused with 422; one that no order has, with 404.",
	}, contract{
		response: exampleOrder(),
		answer:   "The order",
		refusals: []order.Code{order.NotFound, order.Unavailable},
	}, s.getOrder)
}

// A newOrder asks for an order. Its JSON, as decoded, is what an Idempotency-Key
// stands for: a field that is added must be omitted when it has its zero value, or
// keys of the release before no longer match.
type newOrder struct {
	_ struct{} `additionalProperties:"false"`

	UserID      string         `json:"user_id" minLength:"1" maxLength:"128" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"The customer"`
	Lines       []newOrderLine `json:"lines" nullable:"false" minItems:"1" maxItems:"200" doc:"What is ordered; each product in one line"`
	HoldSeconds int64          `json:"hold_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"How long to hold the order for its payment, at most 30 days: it goes to awaiting_payment instead of confirmed, and expires if it is not paid by then. 0, the default, does not hold it."`
}

type newOrderLine struct {
	_ struct{} `additionalProperties:"false"`

	SKU      string `json:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"A product of the catalogue"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"10000"`
}

func (o newOrder) draft(now time.Time) order.Draft {
	d := order.Draft{UserID: o.UserID, Lines: make([]order.DraftLine, len(o.Lines))}

	if o.HoldSeconds > 0 {
		until := now.Add(time.Duration(o.HoldSeconds) * time.Second).UTC().Truncate(time.Microsecond) // as Postgres keeps it
		d.HoldUntil = &until
	}

	for i, l := range o.Lines {
		d.Lines[i] = order.DraftLine{SKU: l.SKU, Quantity: l.Quantity}
	}

	return d
}

type placeInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" pattern:"^[\\x21-\\x7e]+$" patternDescription:"visible ASCII characters" example:"8e03978e-40d5-43dd-bc93-6894a57f9324" doc:"Names this request, so that sending it again does not place a second order: 1 to 255 visible ASCII characters, best a new UUID for each order. Kept for 24 hours at least. The same key with the same body answers with the same order and Idempotent-Replayed; requests at the same moment wait for the first of them. With another body it is refused with 422. A request that is refused leaves its key free."`
	Body newOrder
}

// Resolve refuses a key that is empty, which huma takes for none, or there twice:
// whoever sends one relies on it.
func (*placeInput) Resolve(ctx huma.Context) []error {
	var keys []string

	ctx.EachHeader(func(name, value string) {
		if name == "Idempotency-Key" {
			keys = append(keys, value)
		}
	})

	if len(keys) > 1 || len(keys) == 1 && keys[0] == "" {
		return []error{&huma.ErrorDetail{Location: "header.Idempotency-Key", Message: "expected one key of 1 to 255 characters, or none"}}
	}

	return nil
}

type placeOutput struct {
	Location string `header:"Location" doc:"The order's address" example:"/orders/019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11"`
	Replayed string `header:"Idempotent-Replayed" enum:"true" doc:"There when the order was placed by an earlier request with the same Idempotency-Key"`
	Body     order.Order
}

func (s *service) placeOrder(ctx context.Context, in *placeInput) (*placeOutput, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make order id: %w", err)
	}

	request, err := json.Marshal(in.Body)
	if err != nil {
		return nil, fmt.Errorf("hash request: %w", err)
	}

	hash := sha256.Sum256(request)

	placed, err := s.Place(ctx, flow.Placement{OrderID: id, Draft: in.Body.draft(time.Now()), Key: in.Key, RequestHash: hash[:]})
	if err != nil {
		return nil, fmt.Errorf("place order: %w", err)
	}

	out := &placeOutput{Location: "/orders/" + placed.Order.ID.String(), Body: placed.Order}
	if placed.Replayed {
		out.Replayed = "true"
	}

	exchangeOf(ctx).order = placed.Order.ID.String()

	return out, nil
}

type listOrdersInput struct {
	Page

	UserID string       `query:"user_id" maxLength:"128" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"Only orders of this customer"`
	Status order.Status `query:"status" enum:"pending,awaiting_payment,confirmed,rejected,expired,cancelled,failed" doc:"Only orders that stand there"`
}

type orderPage struct {
	Orders     []order.Order `json:"orders" nullable:"false"`
	NextCursor string        `json:"next_cursor" doc:"The cursor of the next page; empty when there is none"`
}

func (s *service) listOrders(ctx context.Context, in *listOrdersInput) (*answer[orderPage], error) {
	filter := db.OrderFilter{UserID: in.UserID, Status: in.Status, Limit: in.Limit + 1}

	after, err := readCursor[uuid.UUID](orderList, in.Cursor)
	if err != nil {
		return nil, err
	}

	if after != nil {
		filter.Before = *after
	}

	var orders []order.Order

	err = db.Snapshot(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		orders, err = db.ListOrders(ctx, tx, filter)

		return err
	})
	if err != nil {
		return nil, err
	}

	orders, next, err := cut(orders, in.Page, orderList, func(o order.Order) uuid.UUID { return o.ID })

	return &answer[orderPage]{Body: orderPage{Orders: orders, NextCursor: next}}, err
}

// An OrderKey is the address of an order. Exported, as huma passes over embedded structs that are not.
type OrderKey struct {
	ID uuid.UUID `path:"id" format:"uuid" minLength:"36" maxLength:"36" doc:"The order's id"`
}

func (s *service) getOrder(ctx context.Context, in *OrderKey) (*answer[order.Order], error) {
	exchangeOf(ctx).order = in.ID.String()

	var o order.Order

	err := db.Snapshot(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		o, err = db.Order(ctx, tx, in.ID)

		return err
	})

	return &answer[order.Order]{Body: o}, err
}
