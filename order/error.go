package order

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Code names one way in which a request can be refused. Codes are a contract:
// clients read them as the last part of a problem's type, and operators group by them.
type Code string

// The codes. Package api maps each code to an HTTP status. Package workers maps it to
// what happens to the job.
const (
	Invalid           Code = "invalid-request"
	InvalidLines      Code = "invalid-lines"
	InvalidQuantity   Code = "invalid-quantity"
	DuplicateSKU      Code = "duplicate-sku"
	UnknownSKU        Code = "unknown-sku"
	ProductArchived   Code = "product-archived"
	MixedCurrencies   Code = "mixed-currencies"
	TotalOverflow     Code = "total-overflow"
	StockOverflow     Code = "stock-overflow"
	KeyReused         Code = "idempotency-key-reused"
	InsufficientStock Code = "insufficient-stock"
	ReceiptReused     Code = "receipt-reference-reused"
	ReferenceUsed     Code = "order-reference-used"
	StateConflict     Code = "state-conflict"
	PaymentReused     Code = "payment-reference-reused"
	PaymentMismatch   Code = "payment-mismatch"
	LetterResolved    Code = "dead-letter-resolved"
	NotFound          Code = "not-found"
	InFlightLimit     Code = "in-flight-limit"
	Overloaded        Code = "overloaded"
	Unavailable       Code = "unavailable"
	Internal          Code = "internal"
)

// An Error is a refusal that may be shown to the client.
type Error struct {
	Code       Code
	Message    string        // a sentence that says what to do
	Fields     []Field       // of the request's body that are at fault; nil for none in particular
	OrderID    string        // of another order, if that forbids the request; else empty
	Current    Status        // of the order, if that forbids the request; else empty
	Available  *int64        // stock of the product, if that forbids the request; else nil
	RetryAfter time.Duration // when to try again; 0 if that is not known
	cause      error
}

// A Field is a field of a request that is refused, with what was expected there. It
// never repeats the value that was sent.
type Field struct {
	Name, Expected string
	Place          string // query, if it is there and not in the body
}

// Fieldf makes a Field.
func Fieldf(name, format string, args ...any) Field {
	return Field{Name: name, Expected: fmt.Sprintf(format, args...)}
}

// Queryf makes a Field of the query.
func Queryf(name, format string, args ...any) Field {
	field := Fieldf(name, format, args...)
	field.Place = "query"

	return field
}

// At adds fields at fault to a copy of e.
func (e *Error) At(fields ...Field) *Error {
	at := *e
	at.Fields = append(slices.Clip(e.Fields), fields...)

	return &at
}

// Errorf makes an Error. Clients read the message, so it must not have internal text.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Because adds the internal cause to a copy of e. It is logged and never shown.
func (e *Error) Because(cause error) *Error {
	caused := *e
	caused.cause = cause

	return &caused
}

// Error is for logs and for the queue's own record of an attempt.
func (e *Error) Error() string {
	if e.cause != nil {
		return string(e.Code) + ": " + e.cause.Error()
	}

	return string(e.Code) + ": " + e.Message
}

// Unwrap returns the internal cause.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf is the code of an error; [Internal] if it has none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}

	return Internal
}

// PublicError is what customers may read of a failed attempt. The error itself may
// contain host names or SQL.
func PublicError(code Code) string {
	switch code {
	case "":
		return ""
	case Unavailable:
		return "the database could not be reached"
	default:
		return "an internal error; operators see its text in the job"
	}
}
