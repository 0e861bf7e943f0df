package api_test

import (
	"slices"
	"testing"

	"orders/api"
	"orders/order"
)

func (b *bundle) archive(t *testing.T, sku string) api.Product {
	t.Helper()

	return as[api.Product](t, b.ask(t, "POST", "/products/"+sku+"/archive", ""), 200)
}

func TestAnArchivedProductIsNotOrdered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "mug", 890, 5)
	b.stock(t, "tea", 1250, 5)

	pending := b.place(t, "u-1", "tea", 1, "Idempotency-Key", "before")
	archived := b.archive(t, "tea")

	p := wantProblem(t, b.ask(t, "POST", "/orders",
		`{"user_id":"u-1","lines":[{"sku":"mug","quantity":1},{"sku":"tea","quantity":1}]}`), 422, order.ProductArchived)
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.lines[1].sku" {
		t.Errorf("%+v", p.Errors)
	}

	// What was accepted before goes on, and is replayed.
	if replayed := b.place(t, "u-1", "tea", 1, "Idempotency-Key", "before"); replayed.ID != pending.ID {
		t.Errorf("replayed %s, placed %s", replayed.ID, pending.ID)
	}

	b.settle(t, pending.ID)

	if o := as[api.Order](t, b.ask(t, "GET", "/orders/"+pending.ID.String(), ""), 200); o.Status != order.Confirmed {
		t.Errorf("the order of before is %s", o.Status)
	}

	// Its entry and its stock go on, too.
	as[booked](t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":1,"reference":"late"}`), 201)

	changed := as[api.Product](t, b.ask(t, "PUT", "/products/tea", newTea), 200)
	if changed.ArchivedAt == nil || !changed.ArchivedAt.Equal(*archived.ArchivedAt) || changed.Available != 5 {
		t.Errorf("changed = %+v, archived = %+v", changed, archived)
	}

	as[api.Product](t, b.ask(t, "POST", "/products/tea/unarchive", ""), 200)
	b.place(t, "u-1", "tea", 1)
}

func TestArchivingTwiceIsArchivingOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 5)

	tags := [3]string{b.tag(t, "/products/tea")}

	for i, act := range []string{"archive", "unarchive"} {
		first := b.ask(t, "POST", "/products/tea/"+act, "")
		again := b.ask(t, "POST", "/products/tea/"+act, "")

		p := as[api.Product](t, first, 200)
		if (p.ArchivedAt != nil) != (act == "archive") || !p.UpdatedAt.After(p.CreatedAt) {
			t.Errorf("%s: %+v", act, p)
		}

		if first.body != again.body || first.header.Get("ETag") != again.header.Get("ETag") {
			t.Errorf("%s is %s, then %s", act, first.body, again.body)
		}

		tags[i+1] = first.header.Get("ETag")
		wantProblem(t, b.ask(t, "POST", "/products/none/"+act, ""), 404, order.NotFound)
	}

	if tags[0] == tags[1] || tags[1] == tags[2] {
		t.Errorf("tags %q", tags)
	}
}

func TestProductsAreListedByState(t *testing.T) {
	t.Parallel()
	b := setup(t)

	for _, sku := range []string{"a", "b", "c", "d"} {
		b.stock(t, sku, 1, 0)
	}

	b.archive(t, "b")
	b.archive(t, "d")

	for query, want := range map[string][]string{
		"?limit=1":                {"a", "c"},
		"?limit=1&state=active":   {"a", "c"},
		"?limit=1&state=archived": {"b", "d"},
		"?limit=3&state=all":      {"a", "b", "c", "d"},
	} {
		var got []string

		for cursor := ""; ; {
			p := as[struct {
				Products   []api.Product `json:"products"`
				NextCursor string        `json:"next_cursor"`
			}](t, b.ask(t, "GET", "/products"+query+"&cursor="+cursor, ""), 200)

			for _, product := range p.Products {
				got = append(got, product.SKU)
			}

			if cursor = p.NextCursor; cursor == "" {
				break
			}
		}

		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}

	wantProblem(t, b.ask(t, "GET", "/products?state=gone", ""), 422, order.Invalid)
}
