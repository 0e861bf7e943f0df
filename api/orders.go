package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/customer"
	"orders/api/operation"
	"orders/api/problem"
	"orders/db"
	"orders/db/idempotency"
	"orders/order"
	"orders/order/flow"
)

func (s *service) registerOrders() {
	operation.RegisterPostOutput(s.api, huma.Operation{
		OperationID:   "place-order",
		Path:          "/orders",
		DefaultStatus: http.StatusCreated,
		MaxBodyBytes:  maxOrderBody,
		Middlewares:   huma.Middlewares{s.Admission.Limit, s.inFlight.Limit},
		Tags:          []string{"orders"},
		Summary:       "Place an order",
		Description: "Prices the lines from the catalogue and accepts the order. Its steps run asynchronously. The order goes " +
			"from `pending` to `confirmed`, or to `awaiting_payment` if it is held, or to `rejected` if a product is out of stock. " +
			"An order is refused, and nothing is written, if it has an unknown or archived product, a product in two lines, several " +
			"currencies, or too large a total. While work arrives faster than it is done, or too many requests are in flight, orders " +
			"are refused with 503. Send them again after Retry-After, under the same Idempotency-Key.",
	}, operation.Contract{
		Roles:    access.ToOrder,
		Request:  newOrder{UserID: "u-1", Lines: []newOrderLine{{SKU: "tea", Quantity: 2}}},
		Response: exampleOrder(),
		Returns:  "The order. With Idempotent-Replayed, it is the order that was placed under the key before.",
		Refusals: []order.Code{
			order.InvalidLines, order.InvalidQuantity, order.DuplicateSKU, order.UnknownSKU, order.ProductArchived,
			order.MixedCurrencies, order.TotalOverflow, order.ReferenceUsed, order.InFlightLimit, order.Overloaded,
		},
	}, s.placeOrder)

	s.registerOrderList()

	operation.Register(s.api, huma.Operation{
		OperationID: "get-order",
		Method:      http.MethodGet,
		Path:        "/orders/{id}",
		Tags:        []string{"orders"},
		Summary:     "Read an order",
		Description: "Reads the order with its lines and steps. An id that is not a UUID is refused with 422. If no order has the " +
			"id, the response is 404.",
	}, operation.Contract{
		Roles:    access.ToRead,
		Response: exampleOrder(),
		Returns:  "The order",
		Refusals: []order.Code{order.NotFound},
	}, s.getOrder)
}

// A newOrder is a request for an order. An Idempotency-Key stands for its JSON as it is
// decoded. A field that is added must be omitted when it has its zero value, or else
// keys of the release before no longer match.
type newOrder struct {
	_ struct{} `additionalProperties:"false"`

	UserID      customer.ID    `json:"user_id" doc:"The customer"`
	Lines       []newOrderLine `json:"lines" nullable:"false" minItems:"1" maxItems:"200" doc:"The products, each in one line"`
	Reference   operation.Text `json:"reference,omitempty" minLength:"1" maxLength:"128" doc:"Your own number of the order, which no other order of yours may have"`
	Metadata    metadata       `json:"metadata,omitempty" doc:"What you want to keep with the order, by key"`
	Note        operation.Text `json:"note,omitempty" maxLength:"1000" doc:"Free text"`
	Email       email          `json:"email,omitempty" doc:"Where the customer gets mail about the order, if the operators have set a mail server; none by default. No response and no event shows it."`
	Locale      order.Locale   `json:"locale,omitempty" doc:"The language of messages to the customer; en by default"`
	HoldSeconds int64          `json:"hold_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"How long to hold the order for its payment, at most 30 days. A held order goes to awaiting_payment instead of confirmed, and expires if it is not paid by then. 0, the default, does not hold it."`
}

// metadata is a small map of texts.
type metadata map[string]string

// Schema is the map's.
func (metadata) Schema(r huma.Registry) *huma.Schema {
	value := operation.Text("").Schema(r)
	value.MaxLength = new(500)

	return &huma.Schema{
		Type:                 huma.TypeObject,
		AdditionalProperties: value,
		MaxProperties:        new(order.MaxMetadata),
		Description:          "At most 20 keys of 1 to 40 characters: a-z, 0-9, underscore, dot and dash. Values have at most 500.",
	}
}

var metadataKey = regexp.MustCompile("^[a-z0-9_.-]{1,40}$")

// Resolve refuses other keys of the metadata. huma does not know propertyNames, and does not
// resolve maps.
func (in *placeInput) Resolve(ctx huma.Context) []error {
	errs := in.IdempotencyKey.Resolve(ctx)

	for key := range in.Body.Metadata {
		if !metadataKey.MatchString(key) {
			return append(errs, &huma.ErrorDetail{
				Location: "body.metadata", Message: "expected keys of 1 to 40 characters of a-z, 0-9, _, . and -",
			})
		}
	}

	return errs
}

// An email is the address of a customer.
type email string

// Schema is the address's. It has no format: the library's check of it repeats parts of the value.
func (email) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:               huma.TypeString,
		MaxLength:          new(254),
		Pattern:            `^[!-?A-~]+@[!-?A-~]+$`,
		PatternDescription: anEmail,
	}
}

const anEmail = "an address such as ada@example.com"

// Resolve refuses an address to which no mail can be sent.
func (e email) Resolve(_ huma.Context, path *huma.PathBuffer) []error {
	if e == "" || order.IsEmail(string(e)) { // the schema refuses one that is empty in the request
		return nil
	}

	return []error{&huma.ErrorDetail{Location: path.String(), Message: "expected " + anEmail}}
}

type newOrderLine struct {
	_ struct{} `additionalProperties:"false"`

	SKU      sku   `json:"sku" doc:"A product of the catalogue"`
	Quantity int64 `json:"quantity" minimum:"1" maximum:"10000"`
}

func (o newOrder) draft() order.Draft {
	d := order.Draft{
		Memo:    order.Memo{Reference: string(o.Reference), Metadata: o.Metadata, Note: string(o.Note)},
		Contact: order.Contact{Email: string(o.Email), Locale: o.Locale},
		UserID:  string(o.UserID),
		Hold:    time.Duration(o.HoldSeconds) * time.Second,
		Lines:   make([]order.DraftLine, len(o.Lines)),
	}

	for i, l := range o.Lines {
		d.Lines[i] = order.DraftLine{SKU: string(l.SKU), Quantity: l.Quantity}
	}

	return d
}

type placeInput struct {
	operation.IdempotencyKey

	Body newOrder
}

type placeOutput struct {
	operation.Replay

	Location string `header:"Location" doc:"The order's address" example:"/orders/019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11"`
	Body     Order
}

func (s *service) placeOrder(ctx context.Context, in *placeInput, r idempotency.Request) (*placeOutput, bool, error) {
	id, err := s.Clock.NewID()
	if err != nil {
		return nil, false, err
	}

	request, err := json.Marshal(in.Body)
	if err != nil {
		return nil, false, fmt.Errorf("hash request: %w", err)
	}

	hash := sha256.Sum256(request) // and not r's: programs of the release before have written it so

	placed, err := s.Place(ctx, flow.Placement{Client: r.Client, OrderID: id, Draft: in.Body.draft(), Key: r.Key, RequestHash: hash[:]})
	if err != nil {
		return nil, false, fmt.Errorf("place order: %w", err)
	}

	address := placed.Order.ID.String()
	problem.RequestInfoOf(ctx).Order = address

	return &placeOutput{Location: "/orders/" + address, Body: OrderOf(placed.Order)}, placed.Replayed, nil
}

// An OrderKey is the address of an order. Exported, as huma skips embedded structs that
// are not.
type OrderKey struct {
	ID operation.ID `path:"id" doc:"The order's id"`
}

// logged notes in the request's log line which order the request is about.
func (k OrderKey) logged(ctx context.Context) uuid.UUID {
	id := uuid.UUID(k.ID)
	problem.RequestInfoOf(ctx).Order = id.String()

	return id
}

func (s *service) getOrder(ctx context.Context, in *OrderKey) (o Order, err error) {
	id := in.logged(ctx)

	err = db.Snapshot(ctx, s.Pool, func(tx pgx.Tx) error {
		read, err := db.Order(ctx, tx, id)
		o = OrderOf(read)

		return err
	})

	return o, err
}
