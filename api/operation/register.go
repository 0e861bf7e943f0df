// Package operation declares HTTP operations: it registers them with huma, describes them
// in the OpenAPI document, reads lists in pages, and has the types that schemas share.
package operation

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/access"
	"orders/api/middleware"
	"orders/api/problem"
	"orders/order"
)

// Bounds of a request.
const (
	requestTimeout = 15 * time.Second // of the work, without reading the body

	// SmallBody is the largest body of most operations, in bytes.
	SmallBody = 4 << 10
)

// A Contract is what an operation promises beside what huma reads from its types.
type Contract struct {
	Request  any            // an example of the body; nil for none
	Response any            // an example of the response
	Media    string         // of the response; empty for JSON
	Returns  string         // the response in words
	Also     map[int]string // further statuses of success, and what they mean
	Refusals []order.Code   // beside those of every operation
	Offline  bool           // the operation does not use the database
	Roles    []access.Role  // who may use it
}

// Refusals of every operation, and of operations with a body. A change is refused, too, if
// a page of another site made the browser send it.
var (
	commonRefusals = []order.Code{order.Invalid, order.Internal, problem.NotAcceptable}
	bodyRefusals   = []order.Code{
		problem.MalformedBody, problem.BodyTimeout, problem.BodyTooLarge, problem.MediaType, order.InFlightLimit,
	}
)

// A response is an output that is a body and nothing else.
type response[T any] struct {
	Body T
}

// Register adds an operation whose response is a body.
func Register[I, T any](api huma.API, op huma.Operation, c Contract, do func(context.Context, *I) (T, error)) {
	RegisterOutput(api, op, c, func(ctx context.Context, in *I) (*response[T], error) {
		body, err := do(ctx, in)

		return &response[T]{Body: body}, err
	})
}

// RegisterOutput adds an operation that responds within a deadline, with headers of its
// own. An operation that streams is registered with huma itself, and a POST with [RegisterPost].
func RegisterOutput[I, O any](api huma.API, op huma.Operation, c Contract, do func(context.Context, *I) (*O, error)) {
	if op.Method == http.MethodPost {
		panic("operation: " + op.OperationID + " is a POST: register it with RegisterPost") //nolint:forbidigo // when the program starts
	}

	register(api, op, c, do)
}

func register[I, O any](api huma.API, op huma.Operation, c Contract, do func(context.Context, *I) (*O, error)) {
	if _, isList := reflect.TypeFor[I]().FieldByName("Page"); isList {
		c.Refusals = append(c.Refusals, problem.BadCursor)
	}

	Describe(&op, c, api.OpenAPI().Components.Schemas)

	op.BodyReadTimeout = -1 // the body is already there
	op.MaxBodyBytes++       // huma refuses a body of exactly that length

	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()

		out, err := do(ctx, in)
		if err != nil {
			return nil, problem.Of(ctx, err)
		}

		return out, nil
	})

	describeAlso(op, c)
}

// describeAlso adds the further statuses of success. They share body and headers with the
// response, but only 201 has a Location, and 304 has no body.
func describeAlso(op huma.Operation, c Contract) {
	response := op.Responses[strconv.Itoa(op.DefaultStatus)]

	for status, returns := range c.Also {
		also := *response
		also.Description = returns
		also.Headers = maps.Clone(response.Headers)

		if status == http.StatusNotModified {
			also.Content = nil
		}

		op.Responses[strconv.Itoa(status)] = &also

		delete(response.Headers, "Location")
	}
}

// Describe writes the contract into the operation. The examples are values of the types
// that are sent, so that they cannot fall behind.
func Describe(op *huma.Operation, c Contract, schemas huma.Registry) {
	refusals := slices.Concat(c.Refusals, commonRefusals)

	if access.Declare(op, c.Roles); !slices.Contains(c.Roles, access.Anyone) {
		refusals = append(refusals, problem.Unauthenticated, problem.Forbidden, problem.TooManyFailures)
	}

	if !c.Offline {
		refusals = append(refusals, order.Unavailable)
	}

	if op.Method != http.MethodGet {
		refusals = append(refusals, problem.CrossOrigin)
	}

	if c.Request != nil {
		refusals = append(refusals, bodyRefusals...)
		op.RequestBody = &huma.RequestBody{
			Description: fmt.Sprintf("At most %d bytes", op.MaxBodyBytes),
			Content:     map[string]*huma.MediaType{middleware.MediaJSON: {Example: c.Request}},
		}
	}

	if op.DefaultStatus == 0 {
		op.DefaultStatus = http.StatusOK
	}

	op.Responses = map[string]*huma.Response{strconv.Itoa(op.DefaultStatus): {
		Description: c.Returns,
		Headers:     map[string]*huma.Param{middleware.RequestID: HeaderRef(middleware.RequestID)},
		Content:     map[string]*huma.MediaType{cmp.Or(c.Media, middleware.MediaJSON): {Example: c.Response}},
	}}

	for _, code := range refusals {
		describeRefusal(op, code, schemas)
	}

	op.Responses["default"] = &huma.Response{Ref: "#/components/responses/Problem"}
}

// describeRefusal adds a refusal to the response of its status.
func describeRefusal(op *huma.Operation, code order.Code, schemas huma.Registry) {
	status := problem.TypeOf(code).Status
	response := op.Responses[strconv.Itoa(status)]

	if response == nil {
		response = refusal(http.StatusText(status), schemas)
		op.Responses[strconv.Itoa(status)] = response
	}

	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		response.Headers["Retry-After"] = HeaderRef("Retry-After")
	}

	response.Content[problem.ContentType].Examples[string(code)] = exampleRef(code)
}

// Refusal is the response of any status that an operation does not list.
func Refusal(schemas huma.Registry) *huma.Response {
	response := refusal("Any other refusal, for example of a method that the address does not have", schemas)

	for _, code := range []order.Code{problem.MethodNotAllowed, problem.UnknownHost} {
		response.Content[problem.ContentType].Examples[string(code)] = exampleRef(code)
	}

	return response
}

func refusal(description string, schemas huma.Registry) *huma.Response {
	return &huma.Response{
		Description: description,
		Headers:     map[string]*huma.Param{middleware.RequestID: HeaderRef(middleware.RequestID)},
		Content: map[string]*huma.MediaType{problem.ContentType: {
			Schema:   schemas.Schema(reflect.TypeFor[problem.Problem](), true, ""),
			Examples: map[string]*huma.Example{},
		}},
	}
}

func exampleRef(code order.Code) *huma.Example {
	return &huma.Example{Ref: "#/components/examples/" + string(code)}
}

// DescribeHeaders copies a header's description to where tools look for it: huma has it
// in the schema only. A header that is not always sent says so by its enum.
func DescribeHeaders(_ *huma.OpenAPI, op *huma.Operation) {
	for _, response := range op.Responses {
		for _, header := range response.Headers {
			if header.Schema != nil {
				header.Description = header.Schema.Description
				header.Required = header.Schema.Enum == nil
			}
		}
	}
}

// HeaderRef refers to a header of the document's components.
func HeaderRef(name string) *huma.Param {
	return &huma.Param{Ref: "#/components/headers/" + name}
}
