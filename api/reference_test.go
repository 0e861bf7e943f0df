package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"orders/api"
	"orders/api/problem"
	"orders/order"
)

func TestAnOrderKeepsWhatTheClientSends(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 10)

	const body = `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"reference":"web-1","metadata":{"a.b_c-1":"secret ünï"},"note":"ring secretly"}`

	first := as[api.Order](t, b.ask(t, "POST", "/orders", body, "Idempotency-Key", "k-1"), 201)
	plain := b.place(t, "u-1", "tea", 1)

	if again := as[api.Order](t, b.ask(t, "POST", "/orders", body, "Idempotency-Key", "k-1"), 201); again.ID != first.ID {
		t.Errorf("replay = %+v", again)
	}

	wantProblem(t, b.ask(t, "POST", "/orders", strings.Replace(body, "ring", "sing", 1), "Idempotency-Key", "k-1"), 422, order.KeyReused)

	refused := b.ask(t, "POST", "/orders", body, "Idempotency-Key", "k-2")

	p := wantProblem(t, refused, 409, order.ReferenceUsed)
	if p.OrderID != first.ID.String() || !strings.Contains(p.Detail, p.OrderID) || len(p.Errors) != 1 || p.Errors[0].Location != "body.reference" {
		t.Errorf("problem = %+v", p)
	}

	if strings.Contains(refused.body, "secret") || strings.Contains(b.log.String(), "secret") {
		t.Error("what may be personal data is in the problem or in the log")
	}

	page := as[orderPage](t, b.ask(t, "GET", "/orders?reference=web-1", ""), 200)
	if len(page.Orders) != 1 || page.Orders[0].ID != first.ID {
		t.Fatalf("page = %+v", page)
	}

	for _, o := range []api.Order{first, page.Orders[0], as[api.Order](t, b.ask(t, "GET", "/orders/"+first.ID.String(), ""), 200)} {
		if o.Reference != "web-1" || o.Metadata["a.b_c-1"] != "secret ünï" || o.Note != "ring secretly" {
			t.Errorf("order = %+v", o)
		}
	}

	if r := b.ask(t, "GET", "/orders/"+plain.ID.String(), ""); !strings.Contains(r.body, `"reference":"","metadata":{},"note":""`) {
		t.Errorf("an order without them: %s", r.body)
	}
}

func TestMetadataIsBounded(t *testing.T) {
	t.Parallel()
	b := serve(t)

	many := func(n int) string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint("key-", i)] = strings.Repeat("ü", 500)
		}

		text, _ := json.Marshal(m)

		return string(text)
	}

	for field, place := range map[string]string{
		`"metadata":` + many(20): "",
		`"metadata":{}`:          "",
		`"note":""`:              "",
		`"metadata":` + many(21): "body.metadata",
		`"metadata":{"A":"x"}`:   "body.metadata",
		`"metadata":{"":"x"}`:    "body.metadata",
		`"metadata":{"` + strings.Repeat("a", 41) + `":"x"}`:  "body.metadata",
		`"metadata":{"a":"` + strings.Repeat("x", 501) + `"}`: "body.metadata.a",
		`"metadata":{"a":1}`: "body.metadata.a",
		`"metadata":["a"]`:   "body.metadata",
		`"reference":""`:     "body.reference",
		`"reference":"` + strings.Repeat("x", 129) + `"`: "body.reference",
		`"note":"` + strings.Repeat("x", 1001) + `"`:     "body.note",
	} {
		r := b.ask(t, "POST", "/orders", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],`+field+`}`)
		if place == "" {
			as[api.Order](t, r, 201)

			continue
		}

		p := wantProblem(t, r, 422, order.Invalid)
		if len(p.Errors) == 0 || slices.ContainsFunc(p.Errors, func(e problem.FieldError) bool { return e.Location != place }) {
			t.Errorf("%.60s: %+v", field, p.Errors)
		}
	}
}
