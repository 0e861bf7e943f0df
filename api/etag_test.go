package api_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"orders/api"
	"orders/api/problem"
	"orders/order"
)

const (
	oldTea = `{"name":"Tea","price":100,"currency":"EUR"}`
	newTea = `{"name":"Tea","price":120,"currency":"EUR"}`
)

func (b *bundle) tag(t *testing.T, path string) string {
	t.Helper()

	r := b.ask(t, "GET", path, "")
	as[api.Product](t, r, 200)

	return r.header.Get("ETag")
}

func TestPuttingAProductSaysWhetherItIsNew(t *testing.T) {
	t.Parallel()
	b := setup(t)

	created := b.ask(t, "PUT", "/products/tea", oldTea)
	first := as[api.Product](t, created, 201)

	if got := created.header.Get("Location"); got != "/products/tea" {
		t.Errorf("Location %q", got)
	}

	same := b.ask(t, "PUT", "/products/tea", oldTea)
	if got := as[api.Product](t, same, 200); got != first || same.header.Get("Location") != "" {
		t.Errorf("the same again = %+v, want %+v, at %q", got, first, same.header.Get("Location"))
	}

	changed := b.ask(t, "PUT", "/products/tea", newTea)
	second := as[api.Product](t, changed, 200)

	if second.CreatedAt != first.CreatedAt || !second.UpdatedAt.After(first.UpdatedAt) {
		t.Errorf("changed = %+v after %+v", second, first)
	}

	for _, tag := range []string{created.header.Get("ETag"), same.header.Get("ETag")} {
		if tag == changed.header.Get("ETag") || tag == "" {
			t.Errorf("the tag before the change is %q, after it %q", tag, changed.header.Get("ETag"))
		}
	}

	if got := b.tag(t, "/products/tea"); got != changed.header.Get("ETag") {
		t.Errorf("read %q, put %q", got, changed.header.Get("ETag"))
	}
}

func TestAPutIsRefusedIfTheProductHasChanged(t *testing.T) {
	t.Parallel()
	b := setup(t)

	put := func(body string, status int, headers ...string) {
		t.Helper()

		r := b.ask(t, "PUT", "/products/tea", body, headers...)
		if status == 412 {
			wantProblem(t, r, 412, problem.PreconditionFailed)
		} else {
			as[api.Product](t, r, status)
		}
	}

	put(oldTea, 412, "If-Match", "*")
	put(oldTea, 412, "If-Match", `"x"`)
	wantProblem(t, b.ask(t, "GET", "/products/tea", ""), 404, order.NotFound)

	put(oldTea, 201, "If-None-Match", "*")
	put(oldTea, 412, "If-None-Match", "*")

	first := b.tag(t, "/products/tea")
	put(newTea, 412, "If-None-Match", first)
	put(newTea, 412, "If-Match", "W/"+first)
	put(newTea, 200, "If-Match", `"x", `+first)
	put(oldTea, 412, "If-Match", first)
	put(oldTea, 200, "If-Match", `"x"`, "If-Match", b.tag(t, "/products/tea"))
	put(newTea, 200, "If-Match", "*")

	// Stock is not part of what a PUT replaces.
	before := b.tag(t, "/products/tea")
	as[booked](t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":5,"reference":"po-1"}`), 201)
	put(oldTea, 200, "If-Match", before)
}

func TestPreconditionsThatAreNotTagsAreRefused(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for _, header := range []string{"If-Match", "If-None-Match"} {
		for _, value := range []string{"", "x", `"x`, `w/"x"`, `*, "x"`, `"x" "y"`} {
			p := wantProblem(t, b.ask(t, "PUT", "/products/tea", oldTea, header, value), 422, order.Invalid)
			if len(p.Errors) != 1 || p.Errors[0].Location != "header."+header {
				t.Errorf("%s: %s: %+v", header, value, p.Errors)
			}
		}
	}
}

func TestAProductIsNotSentAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 100, 5)

	tag := b.tag(t, "/products/tea")

	for _, same := range []string{tag, "W/" + tag, "*", `"x", ` + tag} {
		if r := b.ask(t, "GET", "/products/tea", "", "If-None-Match", same); r.status != 304 || r.body != "" || r.header.Get("ETag") != tag || r.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %q %v", same, r.status, r.body, r.header)
		}
	}

	as[api.Product](t, b.ask(t, "GET", "/products/tea", "", "If-None-Match", `"x"`), 200)
	as[api.Product](t, b.ask(t, "GET", "/products/tea", "", "If-Match", tag), 200)
	wantProblem(t, b.ask(t, "GET", "/products/tea", "", "If-Match", `"x"`), 412, problem.PreconditionFailed)

	// Other stock is another representation: 304 would hide it.
	as[booked](t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":5,"reference":"po-2"}`), 201)

	if got := as[api.Product](t, b.ask(t, "GET", "/products/tea", "", "If-None-Match", tag), 200); got.Available != 10 {
		t.Errorf("available %d", got.Available)
	}
}

// Of many that have read the same product, one may change it.
func TestConcurrentPutsDoNotUndoEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 100, 0)

	var (
		group sync.WaitGroup
		won   atomic.Int32
		added atomic.Int32
	)

	tag := b.tag(t, "/products/tea")

	for n := range 8 {
		group.Go(func() {
			body := strings.Replace(newTea, "120", "1"+string(rune('1'+n)), 1)

			if b.ask(t, "PUT", "/products/tea", body, "If-Match", tag).status == 200 {
				won.Add(1)
			}

			if b.ask(t, "PUT", "/products/mug", body, "If-None-Match", "*").status == 201 {
				added.Add(1)
			}
		})
	}

	group.Wait()

	if won.Load() != 1 || added.Load() != 1 {
		t.Errorf("%d changed the product, %d added one", won.Load(), added.Load())
	}
}
