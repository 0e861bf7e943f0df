package order

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Code names one way in which a request can be refused. Codes are a contract:
// clients see them as the last part of a problem's type, and operators group by them.
type Code string

// The codes. Package api maps each to an HTTP status, package workers to what
// becomes of the job.
const (
	Invalid         Code = "invalid-request"
	InvalidLines    Code = "invalid-lines"
	InvalidQuantity Code = "invalid-quantity"
	DuplicateSKU    Code = "duplicate-sku"
	UnknownSKU      Code = "unknown-sku"
	MixedCurrencies Code = "mixed-currencies"
	TotalOverflow   Code = "total-overflow"
	KeyReused       Code = "idempotency-key-reused"
	ReceiptReused   Code = "receipt-reference-reused"
	StateConflict   Code = "state-conflict"
	PaymentReused   Code = "payment-reference-reused"
	LetterResolved  Code = "dead-letter-resolved"
	NotFound        Code = "not-found"
	Overloaded      Code = "overloaded"
	Unavailable     Code = "unavailable"
	Internal        Code = "internal"
)

// An Error is a refusal that may be shown to whoever asked.
type Error struct {
	Code       Code
	Message    string        // a sentence that says what to do
	Current    Status        // of the order, where that is what forbids it
	RetryAfter time.Duration // when to try again, where that is known
	cause      error
}

// Errorf makes an Error. The message reaches clients: no internal text in it.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Because hangs the internal cause on a copy of e: logged, never shown.
func (e *Error) Because(cause error) *Error {
	caused := *e
	caused.cause = cause

	return &caused
}

// Error is for logs and for the queue's own record of an attempt. It starts with
// the code, which is how [PublicError] finds it again.
func (e *Error) Error() string {
	if e.cause != nil {
		return string(e.Code) + ": " + e.cause.Error()
	}

	return string(e.Code) + ": " + e.Message
}

// Unwrap gives the internal cause.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf tells an error's code; [Internal] for one that carries none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}

	return Internal
}

// PublicError turns the queue's record of a failed attempt into a sentence that
// may be shown to the customer: the record may hold host names or SQL.
func PublicError(recorded string) string {
	code, _, _ := strings.Cut(recorded, ":")

	switch {
	case recorded == "":
		return ""
	case Code(code) == Unavailable:
		return "the database could not be reached; it is tried again"
	default:
		return "an internal error; operators see its text in the job"
	}
}
