package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"orders/db"
	"orders/order"
)

var tags = []*huma.Tag{
	{Name: "orders", Description: "Place orders and follow what becomes of them"},
	{Name: "products", Description: "The catalogue and its stock"},
	{Name: "customers", Description: "What a customer has: points and messages"},
	{Name: "dead letters", Description: "Jobs that were given up, and how to do their work again"},
	{Name: "workers", Description: "Who works the jobs"},
	{Name: "audit", Description: "Whether the data is what it must be"},
	{Name: "health", Description: "For load balancers and whoever restarts processes"},
}

// OpenAPI is the YAML document of the API. It needs no database.
func OpenAPI(version string) ([]byte, error) {
	s := newService(Options{Version: version}, http.NewServeMux())

	document, err := s.api.OpenAPI().YAML()
	if err != nil {
		return nil, fmt.Errorf("write openapi document: %w", err)
	}

	return document, nil
}

// components are what operations refer to: headers, and a problem of each code.
func components(c *huma.Components) {
	const id = "QF2V6LD3GCFGQ6ECLXBE5Z5M7C"

	c.Headers = map[string]*huma.Header{
		requestID: {
			Description: "The request's id: the one it was sent with (1 to 64 visible ASCII characters) or a new one",
			Schema:      &huma.Schema{Type: huma.TypeString, Examples: []any{id}},
		},
		"Retry-After": {
			Description: "Seconds after which to try again",
			Schema:      &huma.Schema{Type: huma.TypeInteger, Examples: []any{1}},
		},
	}

	ctx := context.WithValue(context.Background(), exchangeKey{}, &exchange{id: id})
	c.Examples = map[string]*huma.Example{}

	for code, kind := range kinds {
		p := newProblem(ctx, code, "")
		p.Errors = misfits[code]
		c.Examples[string(code)] = &huma.Example{Summary: kind.title, Value: p}
	}
}

// misfits are the places that examples name.
var misfits = map[order.Code][]Detail{
	order.Invalid:         {{Location: "body.user_id", Message: "expected length >= 1"}},
	order.InvalidLines:    {{Location: "body.lines", Message: "expected array length >= 1"}},
	order.InvalidQuantity: {{Location: "body.lines[0].quantity", Message: "expected number <= 10000"}},
}

// description is the document's preface: what holds for all operations.
func description() string {
	var table strings.Builder

	for _, code := range slices.SortedFunc(maps.Keys(kinds), byStatus) {
		fmt.Fprintf(&table, "| `/problems/%s` | %d | %s |\n", code, kinds[code].status, kinds[code].title)
	}

	return fmt.Sprintf(preface, int(db.KeyRetention.Hours()), table.String())
}

func byStatus(a, b order.Code) int {
	return cmp.Or(cmp.Compare(kinds[a].status, kinds[b].status), cmp.Compare(a, b))
}

const preface = `An order service: an accepted order has its work (inventory, points, notification) in the same transaction.

**Money** is an integer of minor units (cents) and an ISO 4217 code. **Times** are UTC, in RFC 3339. **Ids** are UUIDs
of version 7: they sort by time.

**Idempotency.** ` + "`POST /orders`" + ` takes an ` + "`Idempotency-Key`" + `: sent again with the same body it answers with the
same order and ` + "`Idempotent-Replayed: true`" + `. Keys are kept for %d hours at least. After a 503, or no answer at
all, send the request again under its key: an order that was placed is found, and no second one is made.

**Lists** come in pages: send ` + "`next_cursor`" + ` as ` + "`cursor`" + ` for the next one, until it is empty. A cursor does
not expire and belongs to one list. An empty parameter counts as none.

**Bodies** are JSON objects in UTF-8. Unknown fields, a key twice, and letters of another case are refused; so is an
unknown or repeated query parameter.

**Problems** are answered after RFC 9457, as ` + "`application/problem+json`" + `. Their ` + "`type`" + ` is stable:

| type | status | title |
|---|---|---|
%s`
