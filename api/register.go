package api

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"orders/order"
)

// mediaJSON is what operations answer with, unless their contract says otherwise.
const mediaJSON = "application/json"

// A contract is what an operation promises beside what huma reads off its types.
type contract struct {
	request  any          // an example of the body, nil for none
	media    string       // of the answer, empty for JSON
	response any          // an example of the answer
	answer   string       // the answer in words
	refusals []order.Code // beside those of every operation
}

// Refusals of every operation, and of those with a body.
var (
	anyRefusals  = []order.Code{order.Invalid, order.Internal, notAcceptable}
	bodyRefusals = []order.Code{malformedBody, bodyTimedOut, bodyTooLarge, mediaType, crossOrigin}
)

// An answer is an output that is a body and nothing else.
type answer[T any] struct {
	Body T
}

// register adds an operation that answers at once, within a deadline. One that
// streams is to be registered with huma itself.
func register[I, O any](s *service, op huma.Operation, c contract, do func(context.Context, *I) (*O, error)) {
	describe(&op, c, s.api.OpenAPI().Components.Schemas)

	op.BodyReadTimeout = bodyTimeout
	op.MaxBodyBytes++ // huma refuses a body of just that length

	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()

		out, err := do(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, err)
		}

		return out, nil
	})
}

// describe writes the contract into the operation. Examples are values of the
// types that are sent, so that they cannot fall behind.
func describe(op *huma.Operation, c contract, schemas huma.Registry) {
	refusals := slices.Concat(c.refusals, anyRefusals)

	if c.request != nil {
		refusals = append(refusals, bodyRefusals...)
		op.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{"application/json": {Example: c.request}}}
	}

	if op.DefaultStatus == 0 {
		op.DefaultStatus = http.StatusOK
	}

	op.Responses = map[string]*huma.Response{strconv.Itoa(op.DefaultStatus): {
		Description: c.answer,
		Headers:     map[string]*huma.Param{requestID: headerRef(requestID)},
		Content:     map[string]*huma.MediaType{cmp.Or(c.media, mediaJSON): {Example: c.response}},
	}}

	for _, code := range refusals {
		refuse(op, code, schemas)
	}
}

// refuse adds a refusal to the response of its status.
func refuse(op *huma.Operation, code order.Code, schemas huma.Registry) {
	const media = "application/problem+json"

	status := strconv.Itoa(kinds[code].status)
	response := op.Responses[status]

	if response == nil {
		response = &huma.Response{
			Description: http.StatusText(kinds[code].status),
			Headers:     map[string]*huma.Param{requestID: headerRef(requestID)},
			Content: map[string]*huma.MediaType{media: {
				Schema:   schemas.Schema(reflect.TypeFor[Problem](), true, ""),
				Examples: map[string]*huma.Example{},
			}},
		}
		op.Responses[status] = response
	}

	if kinds[code].status == http.StatusServiceUnavailable {
		response.Headers["Retry-After"] = headerRef("Retry-After")
	}

	response.Content[media].Examples[string(code)] = &huma.Example{Ref: "#/components/examples/" + string(code)}
}

// describeHeaders puts a header's description where tools look for it: huma has it in the schema only.
func describeHeaders(_ *huma.OpenAPI, op *huma.Operation) {
	for _, response := range op.Responses {
		for _, header := range response.Headers {
			if header.Schema != nil {
				header.Description = header.Schema.Description
			}
		}
	}
}

func headerRef(name string) *huma.Param {
	return &huma.Param{Ref: "#/components/headers/" + name}
}
