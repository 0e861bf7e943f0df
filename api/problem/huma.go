package problem

import (
	"context"
	"errors"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"orders/order"
)

// Limits of a response to a request that is full of mistakes.
const (
	maxErrors = 20
	maxText   = 200
)

// humaCodes are the codes of what huma refuses by itself.
var humaCodes = map[int]order.Code{
	http.StatusBadRequest:            MalformedBody,
	http.StatusRequestTimeout:        BodyTimeout,
	http.StatusRequestEntityTooLarge: BodyTooLarge,
	http.StatusUnsupportedMediaType:  MediaType,
	http.StatusNotAcceptable:         NotAcceptable,
	http.StatusUnprocessableEntity:   order.Invalid,
}

// An UnreadableBody is a failure to read a request's body, which is the client's or
// the network's.
type UnreadableBody struct{ Err error } //nolint:errname // it says which error it is

func (u UnreadableBody) Error() string { return u.Err.Error() }

// Unwrap gives the reader's own error.
func (u UnreadableBody) Unwrap() error { return u.Err }

// OfHuma makes the problem of what huma itself refuses. Its errors quote the body, so
// only the places and the expectations are kept.
func OfHuma(ctx context.Context, status int, errs []error) *Problem {
	code, known := humaCodes[status]
	if _, unread := errors.AsType[UnreadableBody](errors.Join(errs...)); unread {
		code, known, errs = MalformedBody, true, nil // huma says 500 when a client stops in the middle of its body
	}

	if !known {
		return Of(ctx, errors.Join(errs...))
	}

	p := New(ctx, narrow(code, errs), "")

	for _, err := range errs {
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok && len(p.Errors) < maxErrors {
			p.Errors = append(p.Errors, FieldError{Location: clip(d.Location), Message: clip(d.Message)})
		}
	}

	return p
}

// clip shortens what may come from the request.
func clip(text string) string {
	if runes := []rune(text); len(runes) > maxText {
		return string(runes[:maxText]) + "…"
	}

	return text
}

// locations are the places that have a code of their own.
var locations = []struct {
	pattern *regexp.Regexp
	code    order.Code
}{
	{regexp.MustCompile(`^body\.lines$`), order.InvalidLines},
	{regexp.MustCompile(`^body\.lines\[\d+\]\.quantity$`), order.InvalidQuantity},
	{regexp.MustCompile(`^query\.cursor$`), BadCursor},
}

// narrow finds a more exact code: that of the errors' places, if all places have the same.
func narrow(code order.Code, errs []error) order.Code {
	narrowed := code

	for i, err := range errs {
		found := code

		for _, l := range locations {
			if d, ok := errors.AsType[*huma.ErrorDetail](err); ok && l.pattern.MatchString(d.Location) {
				found = l.code
			}
		}

		if i > 0 && found != narrowed {
			return code
		}

		narrowed = found
	}

	return narrowed
}
