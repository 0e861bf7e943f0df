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

	const body = `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"reference":"web-1","metadata":{"a.b_c-1":"secret ünï"},"note":"ring secretly",` +
		`"email":"secret@example.com","locale":"zh-CN"}`

	first := as[api.Order](t, b.ask(t, "POST", "/orders", body, "Idempotency-Key", "k-1"), 201)
	plain := b.place(t, "u-1", "tea", 1)

	if again := as[api.Order](t, b.ask(t, "POST", "/orders", body, "Idempotency-Key", "k-1"), 201); again.ID != first.ID {
		t.Errorf("replay = %+v", again)
	}

	wantProblem(t, b.ask(t, "POST", "/orders", strings.Replace(body, "ring", "sing", 1), "Idempotency-Key", "k-1"), 422, order.KeyReused)

	for from, to := range map[string]string{"secret@": "other@", "zh-CN": "en"} {
		wantProblem(t, b.ask(t, "POST", "/orders", strings.Replace(body, from, to, 1), "Idempotency-Key", "k-1"), 422, order.KeyReused)
	}

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
		if o.Reference != "web-1" || o.Metadata["a.b_c-1"] != "secret ünï" || o.Note != "ring secretly" || o.Locale != order.SimplifiedChinese {
			t.Errorf("order = %+v", o)
		}
	}

	if r := b.ask(t, "GET", "/orders/"+plain.ID.String(), ""); !strings.Contains(r.body, `"reference":"","metadata":{},"note":""`) {
		t.Errorf("an order without them: %s", r.body)
	} else if !strings.Contains(r.body, `"locale":"en"`) {
		t.Errorf("the default locale: %s", r.body)
	}

	for _, path := range []string{"/orders/" + first.ID.String(), "/orders?user_id=u-1", "/orders/" + first.ID.String() + "/timeline", "/events", "/actions"} {
		if r := b.ask(t, "GET", path, ""); r.status != 200 || strings.Contains(r.body, "@example.com") {
			t.Errorf("%s shows the address: %d %s", path, r.status, r.body)
		}
	}
}

func TestOptionalFieldsAreBounded(t *testing.T) {
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
		`"email":"a@b.example"`:                          "",
		`"email":""`:                                     "body.email",
		`"email":"ada"`:                                  "body.email",
		`"email":"ada@b..c"`:                             "body.email",
		`"email":"` + strings.Repeat("a", 250) + `@b.example"`: "body.email",
		`"email":"Ada <a@b.example>"`:                          "body.email",
		`"email":"a@b.example\r\nBcc: c@d.example"`:            "body.email",
		`"locale":"zh-CN"`:                                     "",
		`"locale":"fr"`:                                        "body.locale",
		`"note":"` + strings.Repeat("x", 1001) + `"`:           "body.note",
	} {
		r := b.ask(t, "POST", "/orders", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],`+field+`}`)
		if place == "" {
			as[api.Order](t, r, 201)

			continue
		}

		if strings.Contains(r.body, "b.example") {
			t.Errorf("%.60s is in the refusal: %s", field, r.body)
		}

		p := wantProblem(t, r, 422, order.Invalid)
		if len(p.Errors) == 0 || slices.ContainsFunc(p.Errors, func(e problem.FieldError) bool { return e.Location != place }) {
			t.Errorf("%.60s: %+v", field, p.Errors)
		}
	}
}
