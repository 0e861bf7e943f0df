package api

import (
	"net/http"

	"orders/order"
)

// Codes of what is refused before it is anybody's business.
const (
	badCursor        order.Code = "bad-cursor"
	malformedBody    order.Code = "malformed-body"
	bodyTimedOut     order.Code = "body-timeout"
	bodyTooLarge     order.Code = "body-too-large"
	mediaType        order.Code = "unsupported-media-type"
	notAcceptable    order.Code = "not-acceptable"
	crossOrigin      order.Code = "cross-origin"
	methodNotAllowed order.Code = "method-not-allowed"
)

// A kind is what all problems of a code share.
type kind struct {
	status int
	title  string
	detail string // said when the case has no words of its own, and shown as the example
}

// kinds is the one table from code to HTTP status.
var kinds = map[order.Code]kind{
	order.Invalid: {
		http.StatusUnprocessableEntity, "The request is not valid",
		"The request does not fit its description; errors says where.",
	},
	order.InvalidLines: {
		http.StatusUnprocessableEntity, "An order has 1 to 200 lines",
		"The request does not fit its description; errors says where.",
	},
	order.InvalidQuantity: {
		http.StatusUnprocessableEntity, "A line's quantity is 1 to 10,000",
		"The request does not fit its description; errors says where.",
	},
	order.DuplicateSKU: {
		http.StatusUnprocessableEntity, "A product is in two lines",
		`Product "tea" is there twice; put its quantities into one line.`,
	},
	order.UnknownSKU: {
		http.StatusUnprocessableEntity, "There is no such product",
		`There is no product "tea"; GET /products lists them.`,
	},
	order.MixedCurrencies: {
		http.StatusUnprocessableEntity, "The lines do not share one currency",
		`All lines of an order share one currency; "tea" is in EUR, the lines before it in USD.`,
	},
	order.TotalOverflow: {
		http.StatusUnprocessableEntity, "The total is too large",
		"The total is more than 9223372036854775807 minor units; split the order.",
	},
	order.KeyReused: {
		http.StatusUnprocessableEntity, "The Idempotency-Key stands for another request",
		"This Idempotency-Key was sent with another request; use a new key for a new order.",
	},
	order.ReceiptReused: {
		http.StatusConflict, "The reference stands for another receipt",
		`Reference "po-7" was booked for "tea" with quantity 100; use another reference.`,
	},
	order.StateConflict: {
		http.StatusConflict, "The order's status forbids it",
		"The order is rejected: it is too late, or too early, to cancel it.",
	},
	order.PaymentReused: {
		http.StatusConflict, "The payment stands for something else",
		"The reference has paid for another order, or another reference for this one; a payment pays for one order, once.",
	},
	order.LetterResolved: {
		http.StatusConflict, "The dead letter is resolved already",
		"The dead letter is resolved already: redriven by api.",
	},
	order.NotFound: {
		http.StatusNotFound, "There is nothing here",
		"There is nothing at this address; /docs lists what there is.",
	},
	order.Overloaded: {
		http.StatusServiceUnavailable, "More comes in than can be worked off",
		"The work of a new order would wait about 42 s, which is too long; try again after Retry-After.",
	},
	order.Unavailable: {
		http.StatusServiceUnavailable, "The service is not available at the moment",
		"The service cannot reach its database at the moment; try again.",
	},
	order.Internal: {
		http.StatusInternalServerError, "Something went wrong here",
		"It is not the request's fault; the log has the cause under this request_id.",
	},
	badCursor: {
		http.StatusUnprocessableEntity, "The cursor is not one of this list",
		"Send next_cursor of the page before as it came, or no cursor for the first page.",
	},
	malformedBody: {
		http.StatusBadRequest, "The body cannot be read",
		"The body is to be one JSON object in UTF-8, sent whole, with no key twice.",
	},
	bodyTimedOut: {
		http.StatusRequestTimeout, "The body took too long",
		"The body was not there within 5 seconds.",
	},
	bodyTooLarge: {
		http.StatusRequestEntityTooLarge, "The body is too large",
		"The body is longer than this operation takes.",
	},
	mediaType: {
		http.StatusUnsupportedMediaType, "The body's type is not understood",
		"Send JSON, with Content-Type: application/json.",
	},
	notAcceptable: {
		http.StatusNotAcceptable, "The answer's type is not accepted",
		"Answers are JSON; let Accept have application/json.",
	},
	crossOrigin: {
		http.StatusForbidden, "The request comes from another site",
		"Pages of other sites may not change anything here.",
	},
	methodNotAllowed: {
		http.StatusMethodNotAllowed, "The method is not allowed here",
		"The Allow header lists the methods of this address.",
	},
}

// humaCodes are the codes of what huma refuses by itself.
var humaCodes = map[int]order.Code{
	http.StatusBadRequest:            malformedBody,
	http.StatusRequestTimeout:        bodyTimedOut,
	http.StatusRequestEntityTooLarge: bodyTooLarge,
	http.StatusUnsupportedMediaType:  mediaType,
	http.StatusNotAcceptable:         notAcceptable,
	http.StatusUnprocessableEntity:   order.Invalid,
}
