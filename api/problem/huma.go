package problem

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"orders/order"
)

// UUID is what an id must be, in words.
const UUID = "a UUID such as 019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11"

// Limits of a response to a request that is full of mistakes.
const (
	maxErrors = 20
	maxText   = 200
)

// humaCodes are the codes of what huma refuses by itself. The rest is refused before.
var humaCodes = map[int]order.Code{
	http.StatusBadRequest:          MalformedBody,
	http.StatusNotAcceptable:       NotAcceptable,
	http.StatusUnprocessableEntity: order.Invalid,
}

// ConfigureHuma makes huma refuse with our problems, in plain words. It sets what huma
// keeps in globals.
func ConfigureHuma() {
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError {
		return ofHuma(context.Background(), &huma.Operation{}, status, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
		return ofHuma(ctx.Context(), ctx.Operation(), status, errs)
	}

	huma.ErrorFormatter = format                                                 //nolint:reassign // it is meant to be set
	validation.MsgExpectedRFC4122UUID = "expected string to be " + UUID + "%.0s" // without the library's error
}

// format is fmt.Sprintf for what huma expects. Its bounds are float64: %v would write
// 2592000 as 2.592e+06.
func format(text string, args ...any) string {
	for i, arg := range args {
		if bound, ok := arg.(float64); ok {
			args[i] = strconv.FormatFloat(bound, 'f', -1, 64)
		}
	}

	return fmt.Sprintf(text, args...)
}

// Declares tells whether the operation's description has the code among its refusals.
func Declares(op *huma.Operation, code order.Code) bool {
	response := op.Responses[strconv.Itoa(types[code].Status)]

	return response != nil && response.Content[ContentType] != nil && response.Content[ContentType].Examples[string(code)] != nil
}

// ofHuma makes the problem of what huma itself refuses. Its errors quote the body, so
// only the places and the expectations are kept.
func ofHuma(ctx context.Context, op *huma.Operation, status int, errs []error) *Problem {
	code, known := humaCodes[status]
	if !known {
		return Of(ctx, errors.Join(errs...))
	}

	p := New(ctx, narrow(op, code, errs), "")

	for _, err := range errs {
		d, ok := errors.AsType[*huma.ErrorDetail](err)
		if !ok || len(p.Errors) == maxErrors {
			continue
		}

		// huma says the same twice if the format and the pattern of a text do not match.
		if e := (FieldError{Location: clip(d.Location), Message: clip(plain(d.Message))}); !slices.Contains(p.Errors, e) {
			p.Errors = append(p.Errors, e)
		}
	}

	return p
}

// plain is what huma says of a parameter that it cannot read, in the words that it has
// for the same fault in a body.
func plain(message string) string {
	if kind, ok := strings.CutPrefix(message, "invalid value: "); ok {
		return kind
	}

	if strings.HasPrefix(message, "invalid date/time ") {
		return "expected string to be RFC 3339 date-time" // without the layout of Go's library
	}

	if kind, ok := strings.CutPrefix(message, "invalid "); ok {
		return "expected " + kind
	}

	return message
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

// narrow finds a more exact code: that of the errors' places, if all places have the same
// and the operation declares it.
func narrow(op *huma.Operation, code order.Code, errs []error) order.Code {
	narrowed := code

	for i, err := range errs {
		found := code

		for _, l := range locations {
			if d, ok := errors.AsType[*huma.ErrorDetail](err); ok && l.pattern.MatchString(d.Location) && Declares(op, l.code) {
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
