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
	EventsDeleted    order.Code = "events-deleted"

	PreconditionFailed order.Code = "precondition-failed"
	Unauthenticated    order.Code = "unauthenticated"
	Forbidden          order.Code = "forbidden"
	TooManyFailures    order.Code = "too-many-failures"
	UnknownHost        order.Code = "unknown-host"
)

// A Type is a problem type: what all problems of one code share.
type Type struct {
	Status int
	Title  string
	Detail string // used when the case has no detail of its own, and shown as the example
	Help   string // what it means and what to do, for its page
}

const seeErrors = "The request does not match its description; errors lists the places."

// types is the one table from code to HTTP status and title.
var types = map[order.Code]Type{
	order.Invalid: {
		http.StatusUnprocessableEntity, "The request is not valid", seeErrors,
		"A parameter, a header or the body does not match the description of the operation. " +
			"The errors list each place and what is expected there. Correct the request; the same request is refused again.",
	},
	order.InvalidLines: {
		http.StatusUnprocessableEntity, "An order has 1 to 200 lines", seeErrors,
		"The order has no line or too many lines. Send 1 to 200 lines, each with another product.",
	},
	order.InvalidQuantity: {
		http.StatusUnprocessableEntity, "A line's quantity is 1 to 10,000", seeErrors,
		"A quantity is no integer, or it is out of bounds. Send an integer from 1 to 10,000.",
	},
	order.DuplicateSKU: {
		http.StatusUnprocessableEntity, "Two lines have the same product",
		`Product "tea" has two lines; put its quantities into one line.`,
		"A product may be in one line of an order only. Add up the quantities of its lines.",
	},
	order.UnknownSKU: {
		http.StatusUnprocessableEntity, "There is no such product",
		`There is no product "tea"; GET /products lists them.`,
		"The catalogue does not have the product. Check the sku, or add the product with PUT /products/{sku}.",
	},
	order.ProductArchived: {
		http.StatusUnprocessableEntity, "The product is archived",
		`Product "tea" is archived and cannot be ordered; order the other products.`,
		"The product is not sold any more. errors names its line. Leave the line out, or unarchive the product.",
	},
	order.MixedCurrencies: {
		http.StatusUnprocessableEntity, "The lines have different currencies",
		`All lines of an order share one currency; "tea" is in EUR, the lines before it in USD.`,
		"An order has one currency, which is that of its products. Place an order for each currency.",
	},
	order.TotalOverflow: {
		http.StatusUnprocessableEntity, "The total is too large",
		fmt.Sprintf("The total is more than %d minor units; split the order.", int64(order.MaxExact)),
		"The sum of the lines is larger than the integers that JavaScript holds exactly. Split the order.",
	},
	order.StockOverflow: {
		http.StatusUnprocessableEntity, "The stock is too large",
		fmt.Sprintf("The stock of a product is at most %d.", int64(order.MaxExact)),
		"The stock of the product would be larger than the integers that JavaScript holds exactly. Check the quantity of the receipt.",
	},
	order.InsufficientStock: {
		http.StatusConflict, "There is not as much stock",
		`1 of "tea" are available; take away no more.`,
		"The adjustment would take away more than is available, and nothing was booked. available has the stock. " +
			"Stock that orders have taken is not available: cancel orders first, or book a smaller quantity.",
	},
	order.KeyReused: {
		http.StatusUnprocessableEntity, "The Idempotency-Key belongs to another request",
		"This Idempotency-Key was sent with another request; use a new key for each request.",
		"The Idempotency-Key or the operation_id was sent before, with another body or to another address. Use a new one for each " +
			"request. To repeat a request, send exactly the same.",
	},
	order.ReceiptReused: {
		http.StatusConflict, "The reference belongs to another receipt",
		`Reference "po-7" was booked for "tea" as a receipt with quantity 100; use another reference.`,
		"The reference was booked for the product before, with another quantity, count or reason. Receipts and adjustments " +
			"share references. Check whether it is booked already; use another reference for another receipt or adjustment.",
	},
	// 409 and not 422: the request is good, and another order is in its way, as with references of payments and receipts.
	order.ReferenceUsed: {
		http.StatusConflict, "Another order has the reference",
		"The order 019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11 has this reference; use another reference for another order.",
		"A reference names one order of a client. order_id has the id of the order that has it. " +
			"If that is the order that you meant to place, it is placed already. Otherwise use another reference.",
	},
	order.StateConflict: {
		http.StatusConflict, "The order's status does not allow it",
		"Cannot cancel the order: its status is rejected.",
		"The status of the order does not allow the change. current_status has the status. " +
			"Read the order, and decide whether the change is still wanted.",
	},
	order.PaymentReused: {
		http.StatusConflict, "The payment conflicts with an earlier payment",
		`The reference "pay-4711" has paid for order 019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11; a payment pays for one order.`,
		"A payment pays for one order, and an order is paid once. The reference has paid for another order or another amount, " +
			"or the order was paid with another reference. The detail names the earlier payment. Check the reference.",
	},
	order.PaymentMismatch: {
		http.StatusUnprocessableEntity, "The payment is not the order's total",
		"The payment is 2000 EUR, and the order's total is 2500 EUR; they must be equal.",
		"The amount or the currency is not that of the order's total. The order is not paid, and the payment must be returned. " +
			"If amount or currency was sent by mistake, send the payment again with the right ones.",
	},
	Unauthenticated: {
		http.StatusUnauthorized, "A token is needed", "Send a token: Authorization: Bearer TOKEN.",
		"The request has no token, or one that is not known, is revoked or has expired. " +
			"An operator makes a token with `orders token create`. Send it as Authorization: Bearer TOKEN.",
	},
	Forbidden: {
		http.StatusForbidden, "The token may not do this", "This needs a token with the role operator.",
		"The token is known, but its roles do not allow the request. The detail names the roles that do. Use another token.",
	},
	TooManyFailures: {
		http.StatusTooManyRequests, "Too many tokens were not known",
		"Too many tokens from this address were not known; check the token, and try again after Retry-After.",
		"Requests from the address had tokens that are not known, are revoked or have expired, more often than a mistake explains. " +
			"A token that is known is good in the meantime, but logging in has to wait. Try again after Retry-After.",
	},
	UnknownHost: {
		http.StatusMisdirectedRequest, "The Host is not one of this server",
		"This server answers to localhost and 127.0.0.1 only; set ORDERS_HOSTS to let it answer to other names.",
		"The server asks for no token, so it answers to names of this machine only: a page of another site could otherwise " +
			"reach it through a name that it owns. Use localhost, or add the name to ORDERS_HOSTS.",
	},
	order.LetterResolved: {
		http.StatusConflict, "The dead letter is already resolved",
		"The dead letter is resolved already: redriven by api.",
		"Someone has already resolved the dead letter, in another way. Read the letter to see how.",
	},
	order.NotFound: {
		http.StatusNotFound, "Not found",
		"Nothing has this address; /docs lists the operations.",
		"The address is not one of the API, or what it names does not exist. Addresses are exact: they have no empty or dotted parts.",
	},
	order.InFlightLimit: {
		http.StatusServiceUnavailable, "Too many requests are in flight",
		"This process handles at most 512 requests that change orders at once; try again after Retry-After.",
		"The process handles as many requests that change orders as it can serve well, or receives as many slow bodies. " +
			"Nothing was written. Send the request again after Retry-After, with the body together with its headers.",
	},
	order.Overloaded: {
		http.StatusServiceUnavailable, "The service is overloaded",
		"The points queue is overloaded: the work of a new order would wait there for about 42 s; try again after Retry-After.",
		"Orders arrive faster than their work is done, so the service refuses some of them. Nothing was written. " +
			"Send the order again after Retry-After, under the same Idempotency-Key.",
	},
	order.Unavailable: {
		http.StatusServiceUnavailable, "The service is temporarily unavailable",
		"The service cannot reach its database at the moment; try again.",
		"The database cannot be reached, or it did not finish in time. It may be that a change was made nevertheless. " +
			"Send the request again after Retry-After; send it under the same Idempotency-Key.",
	},
	order.Internal: {
		http.StatusInternalServerError, "An internal error occurred",
		"The request is not at fault; the log has the cause under this request_id.",
		"The service has a fault. Report it with the request_id, under which the log has the cause. " +
			"It may be that a change was made nevertheless.",
	},
	BadCursor: {
		http.StatusUnprocessableEntity, "The list has no such position",
		"Send next_cursor of the previous page unchanged and with the same filters, or no cursor for the first page.",
		"The cursor was changed, or it belongs to another list or to other filters. Send next_cursor as it is and with the same filters, " +
			"or begin with the first page.",
	},
	EventsDeleted: {
		http.StatusGone, "The events behind this position have been deleted",
		"Events behind this position have been deleted; read the orders, and go on from after=latest.",
		"Events are kept for a limited time, and you were away for longer. Note the position that after=latest gives. " +
			"Then read the orders that changed meanwhile with GET /orders, and follow the events from that position.",
	},
	MalformedBody: {
		http.StatusBadRequest, "The body cannot be read",
		"The body must be one complete JSON object in UTF-8 without duplicate keys.",
		"The body is not JSON, is not complete, or has a key twice. Correct the body.",
	},
	BodyTimeout: {
		http.StatusRequestTimeout, "The body took too long",
		"Send the body together with its headers: it has 2 seconds, and another second for each 32 KiB.",
		"The body did not arrive in the time that it has. Nothing was written. Send the body together with its headers.",
	},
	BodyTooLarge: {
		http.StatusRequestEntityTooLarge, "The body is too large",
		"The operation's description says how long its body may be.",
		"The body is longer than the operation accepts. Nothing was written. The description of the operation has the largest length.",
	},
	MediaType: {
		http.StatusUnsupportedMediaType, "The body's media type is not supported",
		"Send JSON, with Content-Type: application/json.",
		"Bodies are JSON: the Content-Type is application/json or absent, and there is no Content-Encoding.",
	},
	NotAcceptable: {
		http.StatusNotAcceptable, "The response's media type is not accepted",
		"Responses are JSON; Accept must allow application/json.",
		"The Accept header does not allow the media type of the response. Nothing was written. " +
			"Accept application/json, or text/event-stream for the events of an order.",
	},
	CrossOrigin: {
		http.StatusForbidden, "The request comes from another site",
		"Pages of other sites cannot change data here.",
		"A page of another site made the browser send the request. The setting ORDERS_ORIGINS lists the sites whose pages may do so.",
	},
	PreconditionFailed: {
		http.StatusPreconditionFailed, "The precondition does not hold",
		"The product is not as it was when you read it; read it again, and send its ETag as If-Match.",
		"If-Match names a version of the product that is not the newest one, or If-None-Match one that is there already. " +
			"Nothing was written. Read the product again, and decide whether the change is still wanted.",
	},
	MethodNotAllowed: {
		http.StatusMethodNotAllowed, "The method is not allowed",
		"The Allow header lists the methods of this address.",
		"The address exists, but not with this method. The Allow header lists its methods.",
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
