package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/middleware"
	"orders/api/operation"
	"orders/api/problem"
	"orders/db/idempotency"
	"orders/order"
)

var tags = []*huma.Tag{
	{Name: "orders", Description: "Place orders and follow them"},
	{Name: "events", Description: "What becomes true of orders, for other services"},
	{Name: "webhooks", Description: "Where events are sent to, and what became of each"},
	{Name: "products", Description: "The catalogue and its stock"},
	{Name: "customers", Description: "A customer's points and messages"},
	{Name: "dead letters", Description: "Jobs that were given up, and how to do their work again"},
	{Name: "workers", Description: "The processes that run the jobs"},
	{Name: "actions", Description: "Who did what"},
	{Name: "reports", Description: "Questions with answers as tables"},
	{Name: "audit", Description: "Whether the invariants of the data hold"},
	{Name: "health", Description: "For load balancers and process supervisors"},
}

// OpenAPI is the API's document in YAML. It needs no database.
func OpenAPI(version string) ([]byte, error) {
	s := newService(Options{Version: version}, http.NewServeMux())

	document, err := s.api.OpenAPI().YAML()
	if err != nil {
		return nil, fmt.Errorf("write openapi document: %w", err)
	}

	return document, nil
}

// addComponents adds what operations refer to: enums, headers, and an example of each
// problem type.
func addComponents(c *huma.Components) {
	const id = "QF2V6LD3GCFGQ6ECLXBE5Z5M7C"

	operation.AddEnums(c.Schemas)

	c.Headers = map[string]*huma.Header{
		middleware.RequestID: {
			Required:    true,
			Description: "The request's id: its X-Request-Id if that has 1 to 64 visible ASCII characters, otherwise a new id.",
			Schema:      &huma.Schema{Type: huma.TypeString, Examples: []any{id}},
		},
		"Retry-After": {
			Required:    true,
			Description: "The number of seconds after which to try again",
			Schema:      &huma.Schema{Type: huma.TypeInteger, Examples: []any{1}},
		},
	}

	ctx := problem.WithRequestInfo(context.Background(), &problem.RequestInfo{ID: id})
	c.Examples = map[string]*huma.Example{}

	for _, code := range problem.Codes() {
		p := problem.New(ctx, code, "")
		p.Errors = exampleErrors[code]
		c.Examples[string(code)] = &huma.Example{Summary: p.Title, Value: p}
	}
}

// exampleErrors are the places that examples name.
var exampleErrors = map[order.Code][]problem.FieldError{
	order.Invalid:         {{Location: "body.user_id", Message: "expected length >= 1"}},
	order.InvalidLines:    {{Location: "body.lines", Message: "expected array length >= 1"}},
	order.InvalidQuantity: {{Location: "body.lines[0].quantity", Message: "expected number <= 10000"}},
	order.UnknownSKU:      {{Location: "body.lines[0].sku", Message: "expected a product of the catalogue"}},
	order.DuplicateSKU:    {{Location: "body.lines[1].sku", Message: "expected a product that no line before has"}},
	order.MixedCurrencies: {{Location: "body.lines[1].sku", Message: "expected a product in USD"}},
	order.TotalOverflow:   {{Location: "body.lines[0]", Message: "expected a smaller total of this line and those before it"}},
	order.PaymentMismatch: {{Location: "body.amount", Message: "expected 2500"}},
}

// description is the document's preface: what holds for all operations.
func description() string {
	var steps, problems strings.Builder

	for _, s := range order.Steps() {
		fmt.Fprintf(&steps, "- `%s`: %s\n", s.Name, s.Does)
	}

	for _, code := range problem.Codes() {
		t := problem.TypeOf(code)
		fmt.Fprintf(&problems, "| `/problems/%s` | %d | %s |\n", code, t.Status, t.Title)
	}

	return fmt.Sprintf(preface, steps.String(), int(idempotency.Retention.Hours()), problems.String())
}

const preface = `An order service. An order and the jobs of its asynchronous steps are written in one transaction, so that an
accepted order cannot lose its work. The steps:

%s
**Money** is an integer of minor units (cents) and an ISO 4217 code. **Integers** are at most 2^53 - 1, which JavaScript
holds exactly. **Times** are UTC, in RFC 3339. **Ids** of orders are UUIDs of version 7: they sort by time.

**Authentication.** Send a token: ` + "`Authorization: Bearer TOKEN`" + `. Operators make tokens with
` + "`orders token create`" + `. Each operation names the roles that may use it. ` + "`client`" + ` places, reads, cancels and pays
orders, ` + "`stock`" + ` changes products and their stock, ` + "`viewer`" + ` reads everything, and ` + "`operator`" + ` does everything.
A browser may log in at /login instead. Without a valid token the response is 401, and without the role 403.
` + "`orders dev`" + ` on this machine asks for none.

**Idempotency.** Every POST takes an ` + "`Idempotency-Key`" + `. If the same request is sent again under its key, it is not done
again, and the response has ` + "`Idempotent-Replayed: true`" + `. The POSTs of an order return the order as it is now, and all other
POSTs return the first response. Keys are kept for at least %d hours. After a 503, or if no response arrives, send the request
again under its key. A request that is refused leaves its key free.

**Lists** come in pages. Send ` + "`next_cursor`" + ` as ` + "`cursor`" + ` to read the next page. On the last page ` + "`next_cursor`" + `
is empty. A cursor does not expire, and it belongs to one list with its filters. A parameter that is empty is refused, except
` + "`cursor`" + `.

**Bodies** are JSON objects in UTF-8. Unknown fields, duplicate keys and keys in another letter case are refused. So are
null, unknown and repeated query parameters, and bodies with a Content-Encoding. As in JSON Schema, 1.0 and 1e3 are
integers. A body that an operation does not describe is ignored.

**Responses** may gain fields, and enums may gain values. Clients must ignore fields and accept values that they do not
know.

**Problems** follow RFC 9457, as ` + "`application/problem+json`" + `. Their ` + "`type`" + ` is stable, and it is the address of a page
that explains it. Only a request that is not proper HTTP gets another refusal, empty or as plain text: 400 for a malformed
address or header, 417 for an unknown Expect, 431 for headers of more than 32 KiB, and 501 or 505 for what HTTP/1.1 does
not have. Paths of operations are exact: there are no redirects. ` + "`HEAD`" + ` is allowed where ` + "`GET`" + ` is.

| type | status | title |
|---|---|---|
%s`
