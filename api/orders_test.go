package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"orders/api"
	"orders/api/problem"
	"orders/order"
)

type orderPage struct {
	Orders     []api.Order `json:"orders"`
	NextCursor string      `json:"next_cursor"`
}

func TestPlaceReadAndSettleAnOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 10)

	r := b.ask(t, "POST", "/orders", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":2}],"hold_seconds":0}`)
	placed := as[api.Order](t, r, 201)

	if placed.Status != order.Pending || placed.Total != 2500 || placed.Currency != "EUR" || placed.ID.Version() != 7 {
		t.Errorf("placed = %+v", placed)
	}

	if got, want := r.header.Get("Location"), "/orders/"+placed.ID.String(); got != want {
		t.Errorf("Location = %q, want %q", got, want)
	}

	if r.header.Get("Idempotent-Replayed") != "" {
		t.Error("a new order is said to be replayed")
	}

	for _, member := range []string{`"hold_until":null`, `"status_reason":""`, `"status_reason_code":null`, `"shortages":[]`, `"last_error":""`, `"at":null`} {
		if !strings.Contains(r.body, member) {
			t.Errorf("%s is not in %s", member, r.body)
		}
	}

	b.settle(t, placed.ID)

	read := as[api.Order](t, b.ask(t, "GET", r.header.Get("Location"), ""), 200)
	if read.Status != order.Confirmed || len(read.Steps) != 3 {
		t.Errorf("read = %+v", read)
	}

	for _, step := range read.Steps {
		if step.State != order.Done || step.At == nil {
			t.Errorf("step = %+v", step)
		}
	}

	if line := b.log.line(t, "request"); line["order_id"] != placed.ID.String() {
		t.Errorf("log line %v does not name the order", line)
	}
}

func TestOrdersThatAreRefused(t *testing.T) { //nolint:tparallel // rows are counted when all have been asked
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 10)
	b.stock(t, "gold", order.MaxPrice, 0)
	as[api.Product](t, b.ask(t, "PUT", "/products/soap", `{"name":"Soap","price":1,"currency":"USD"}`), 201)

	lines := func(n int, line string) string { return strings.TrimSuffix(strings.Repeat(line+",", n), ",") }

	tests := map[string]struct {
		lines  string
		code   order.Code
		places []string // in the body
	}{
		"no line":             {``, order.InvalidLines, []string{"lines"}},
		"too many lines":      {lines(201, `{"sku":"tea","quantity":1}`), order.InvalidLines, []string{"lines"}},
		"quantity 0":          {`{"sku":"tea","quantity":0}`, order.InvalidQuantity, []string{"lines[0].quantity"}},
		"quantity negative":   {`{"sku":"tea","quantity":-1}`, order.InvalidQuantity, []string{"lines[0].quantity"}},
		"quantity 10,001":     {`{"sku":"tea","quantity":10001}`, order.InvalidQuantity, []string{"lines[0].quantity"}},
		"quantity a fraction": {`{"sku":"tea","quantity":1.5}`, order.InvalidQuantity, []string{"lines[0].quantity"}},
		"quantity a text":     {`{"sku":"tea","quantity":"1"}`, order.InvalidQuantity, []string{"lines[0].quantity"}},
		"quantity beyond int": {`{"sku":"tea","quantity":9223372036854775808}`, order.InvalidQuantity, []string{"lines[0].quantity"}},
		"two mistakes":        {`{"sku":"?","quantity":0}`, order.Invalid, []string{"lines[0].quantity", "lines[0].sku"}},
		"no quantity":         {`{"sku":"tea"}`, order.Invalid, []string{"lines[0]"}},
		"sku too long":        {`{"sku":"` + strings.Repeat("a", 65) + `","quantity":1}`, order.Invalid, []string{"lines[0].sku"}},
		"sku a path":          {`{"sku":"../tea","quantity":1}`, order.Invalid, []string{"lines[0].sku"}},
		"unknown skus":        {`{"sku":"tea","quantity":1},{"sku":"coffee","quantity":1},{"sku":"milk","quantity":1}`, order.UnknownSKU, []string{"lines[1].sku", "lines[2].sku"}},
		"a sku twice":         {lines(2, `{"sku":"tea","quantity":1}`), order.DuplicateSKU, []string{"lines[1].sku"}},
		"two currencies":      {`{"sku":"tea","quantity":1},{"sku":"soap","quantity":1}`, order.MixedCurrencies, []string{"lines[1].sku"}},
		"total overflows":     {`{"sku":"gold","quantity":9008}`, order.TotalOverflow, []string{"lines[0]"}},
	}

	t.Run("refused", func(t *testing.T) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()

				p := wantProblem(t, b.ask(t, "POST", "/orders", `{"user_id":"u-1","lines":[`+test.lines+`]}`, "Idempotency-Key", "refused"), 422, test.code)

				places := make([]string, 0, len(p.Errors))
				for _, e := range p.Errors {
					places = append(places, strings.TrimPrefix(e.Location, "body."))
				}

				slices.Sort(places)

				if !slices.Equal(places, test.places) {
					t.Errorf("errors = %v, want %v", p.Errors, test.places)
				}
			})
		}
	})

	for _, table := range []string{"orders", "order_lines", "idempotency_keys", "river_job"} {
		if n := b.count(t, table); n != 0 {
			t.Errorf("refused orders left %d rows in %s", n, table)
		}
	}
}

func TestOrderWithoutStockIsRejectedAndSaysWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 1)
	b.stock(t, "mug", 890, 3)
	b.stock(t, "pot", 3000, 3)

	o := as[api.Order](t, b.ask(t, "POST", "/orders",
		`{"user_id":"u-1","lines":[{"sku":"tea","quantity":2},{"sku":"mug","quantity":3},{"sku":"pot","quantity":5}]}`), 201)
	if o.ReasonCode != "" || len(o.Shortages) != 0 {
		t.Errorf("placed = %+v", o)
	}

	b.settle(t, o.ID)

	r := b.ask(t, "GET", "/orders/"+o.ID.String(), "")

	read := as[api.Order](t, r, 200)
	if read.Status != order.Rejected || read.StatusReason != "out of stock: pot (wanted 5, left 3) and 1 more product" {
		t.Errorf("read = %+v", read)
	}

	for _, member := range []string{
		`"status_reason_code":"out_of_stock"`,
		`"shortages":[{"sku":"pot","wanted":5,"available":3},{"sku":"tea","wanted":2,"available":1}]`,
	} {
		if !strings.Contains(r.body, member) {
			t.Errorf("%s is not in %s", member, r.body)
		}
	}
}

func TestReadOrderThatIsNotThere(t *testing.T) {
	t.Parallel()
	b := setup(t)

	wantProblem(t, b.ask(t, "GET", "/orders/"+uuid.NewString(), ""), 404, order.NotFound)

	for _, id := range []string{"x", "1", "urn:uuid:" + uuid.NewString(), strings.ReplaceAll(uuid.NewString(), "-", ""), "%00"} {
		p := wantProblem(t, b.ask(t, "GET", "/orders/"+id, ""), 422, order.Invalid)
		if len(p.Errors) != 1 || p.Errors[0] != (problem.FieldError{Location: "path.id", Message: "expected string to be " + problem.UUID}) {
			t.Errorf("id %q: errors = %v", id, p.Errors)
		}
	}
}

// Text that looks like SQL, markup or a template is text.
func TestStringsAreStoredVerbatim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 0)

	for _, user := range []string{
		`'; DROP TABLE orders; --`, `" OR 1=1`, `$1`, `%s%d`, `<script>alert(1)<script>`, `{{.}}`, `\u0041`, `ünï☕🫖`, ` a b `, `a?b#c&d=e`, strings.Repeat("ü", 128),
	} {
		body := `{"user_id":` + quote(t, user) + `,"lines":[{"sku":"tea","quantity":1}]}`
		if o := as[api.Order](t, b.ask(t, "POST", "/orders", body), 201); o.UserID != user {
			t.Errorf("user_id = %q, want %q", o.UserID, user)
		}

		page := as[orderPage](t, b.ask(t, "GET", "/orders?user_id="+url.QueryEscape(user), ""), 200)
		if len(page.Orders) != 1 || page.Orders[0].UserID != user {
			t.Errorf("listing %q: %+v", user, page)
		}

		points := as[map[string]any](t, b.ask(t, "GET", "/users/"+url.PathEscape(user)+"/points", ""), 200)
		if points["user_id"] != user {
			t.Errorf("points of %q: %v", user, points)
		}
	}
}

func TestListOrdersPagesThroughAllOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 100)

	const orders = 7

	want := make([]uuid.UUID, 0, orders)
	for range orders {
		want = append(want, b.place(t, "u-1", "tea", 1).ID)
	}

	slices.Reverse(want) // the newest first
	b.place(t, "u-2", "tea", 1)

	for limit := 1; limit <= orders+1; limit++ {
		var got []uuid.UUID

		for cursor := ""; ; {
			page := as[orderPage](t, b.ask(t, "GET", fmt.Sprintf("/orders?user_id=u-1&limit=%d&cursor=%s", limit, cursor), ""), 200)
			if len(page.Orders) > limit {
				t.Fatalf("limit %d: %d orders", limit, len(page.Orders))
			}

			for _, o := range page.Orders {
				got = append(got, o.ID)
			}

			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}

		if !slices.Equal(got, want) {
			t.Errorf("limit %d: got %v, want %v", limit, got, want)
		}
	}
}

func TestListOrdersFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 1)

	confirmed, rejected := b.place(t, "u-1", "tea", 1), b.place(t, "u-2", "tea", 1)
	b.settle(t, confirmed.ID, rejected.ID)
	pending := b.place(t, "u-1", "tea", 1)

	for query, want := range map[string][]uuid.UUID{
		"":                             {pending.ID, rejected.ID, confirmed.ID},
		"?cursor=":                     {pending.ID, rejected.ID, confirmed.ID},
		"?user_id=u-1":                 {pending.ID, confirmed.ID},
		"?user_id=nobody":              {},
		"?status=confirmed":            {confirmed.ID},
		"?status=rejected":             {rejected.ID},
		"?status=pending&user_id=u-2":  {},
		"?status=awaiting_payment":     {},
		"?status=expired":              {},
		"?status=cancelled":            {},
		"?status=failed&user_id=u%2D1": {},
	} {
		r := b.ask(t, "GET", "/orders"+query, "")
		page := as[orderPage](t, r, 200)

		got := make([]uuid.UUID, 0, len(page.Orders))
		for _, o := range page.Orders {
			got = append(got, o.ID)
		}

		if !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", query, got, want)
		}

		if strings.Contains(r.body, `"orders":null`) {
			t.Errorf("%q: a list is null", query)
		}
	}
}
