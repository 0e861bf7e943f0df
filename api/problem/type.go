package problem

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"orders/order"
)

// The codes of what is refused before an operation sees it. The others are package order's.
const (
	BadCursor        order.Code = "bad-cursor"
	MalformedBody    order.Code = "malformed-body"
	BodyTimeout      order.Code = "body-timeout"
	BodyTooLarge     order.Code = "body-too-large"
	MediaType        order.Code = "unsupported-media-type"
	NotAcceptable    order.Code = "not-acceptable"
	CrossOrigin      order.Code = "cross-origin"
	MethodNotAllowed order.Code = "method-not-allowed"
)

// A Type is a problem type: what all problems of one code share.
type Type struct {
	Status int
	Title  string
	Detail string // used when the case has no detail of its own, and shown as the example
}

const seeErrors = "The request does not match its description; errors lists the places."

// types is the one table from code to HTTP status and title.
var types = map[order.Code]Type{
	order.Invalid:         {http.StatusUnprocessableEntity, "The request is not valid", seeErrors},
	order.InvalidLines:    {http.StatusUnprocessableEntity, "An order has 1 to 200 lines", seeErrors},
	order.InvalidQuantity: {http.StatusUnprocessableEntity, "A line's quantity is 1 to 10,000", seeErrors},
	order.DuplicateSKU: {
		http.StatusUnprocessableEntity, "Two lines have the same product",
		`Product "tea" has two lines; put its quantities into one line.`,
	},
	order.UnknownSKU: {
		http.StatusUnprocessableEntity, "There is no such product",
		`There is no product "tea"; GET /products lists them.`,
	},
	order.MixedCurrencies: {
		http.StatusUnprocessableEntity, "The lines have different currencies",
		`All lines of an order share one currency; "tea" is in EUR, the lines before it in USD.`,
	},
	order.TotalOverflow: {
		http.StatusUnprocessableEntity, "The total is too large",
		fmt.Sprintf("The total is more than %d minor units; split the order.", int64(order.MaxExact)),
	},
	order.StockOverflow: {
		http.StatusUnprocessableEntity, "The stock is too large",
		fmt.Sprintf("The stock of a product is at most %d.", int64(order.MaxExact)),
	},
	order.KeyReused: {
		http.StatusUnprocessableEntity, "The Idempotency-Key belongs to another request",
		"This Idempotency-Key was sent with another request; use a new key for a new order.",
	},
	order.ReceiptReused: {
		http.StatusConflict, "The reference belongs to another receipt",
		`Reference "po-7" was booked for "tea" with quantity 100; use another reference.`,
	},
	order.StateConflict: {
		http.StatusConflict, "The order's status does not allow it",
		"Cannot cancel the order: its status is rejected.",
	},
	order.PaymentReused: {
		http.StatusConflict, "The payment conflicts with an earlier payment",
		"The reference has paid for another order, or this order was paid with another reference; a payment pays for one order.",
	},
	order.LetterResolved: {
		http.StatusConflict, "The dead letter is already resolved",
		"The dead letter is resolved already: redriven by api.",
	},
	order.OperationReused: {
		http.StatusUnprocessableEntity, "The operation id belongs to another request",
		"This operation id was sent with another request; use a new id for a new operation.",
	},
	order.NotFound: {
		http.StatusNotFound, "Not found",
		"Nothing has this address; /docs lists the operations.",
	},
	order.InFlightLimit: {
		http.StatusServiceUnavailable, "Too many requests are in flight",
		"This process handles at most 512 requests that change orders at once; try again after Retry-After.",
	},
	order.Overloaded: {
		http.StatusServiceUnavailable, "The service is overloaded",
		"The points queue is overloaded: the work of a new order would wait there for about 42 s; try again after Retry-After.",
	},
	order.Unavailable: {
		http.StatusServiceUnavailable, "The service is temporarily unavailable",
		"The service cannot reach its database at the moment; try again.",
	},
	order.Internal: {
		http.StatusInternalServerError, "An internal error occurred",
		"The request is not at fault; the log has the cause under this request_id.",
	},
	BadCursor: {
		http.StatusUnprocessableEntity, "The cursor does not belong to this list",
		"Send next_cursor of the previous page unchanged, or no cursor for the first page.",
	},
	MalformedBody: {
		http.StatusBadRequest, "The body cannot be read",
		"The body must be one complete JSON object in UTF-8 without duplicate keys.",
	},
	BodyTimeout: {
		http.StatusRequestTimeout, "The body took too long",
		"Send the body together with its headers: it has 2 seconds, and another second for each 32 KiB.",
	},
	BodyTooLarge: {
		http.StatusRequestEntityTooLarge, "The body is too large",
		"The operation's description says how long its body may be.",
	},
	MediaType: {
		http.StatusUnsupportedMediaType, "The body's media type is not supported",
		"Send JSON, with Content-Type: application/json.",
	},
	NotAcceptable: {
		http.StatusNotAcceptable, "The response's media type is not accepted",
		"Responses are JSON; Accept must allow application/json.",
	},
	CrossOrigin: {
		http.StatusForbidden, "The request comes from another site",
		"Pages of other sites cannot change data here.",
	},
	MethodNotAllowed: {
		http.StatusMethodNotAllowed, "The method is not allowed",
		"The Allow header lists the methods of this address.",
	},
}

// An Address is a problem type's name for clients, and the path of its page.
type Address string

// AddressOf is the address of a code's problem type.
func AddressOf(code order.Code) Address { return Address("/problems/" + string(code)) }

// TypeOf is the type of the problems of a code.
func TypeOf(code order.Code) Type { return types[code] }

// Codes lists the codes that have a problem type, by status, then by name.
func Codes() []order.Code {
	return slices.SortedFunc(maps.Keys(types), func(a, b order.Code) int {
		return cmp.Or(cmp.Compare(types[a].Status, types[b].Status), cmp.Compare(a, b))
	})
}
