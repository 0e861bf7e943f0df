package api_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"orders/api"
	"orders/order"
)

func TestIdempotencyKeyReplaysTheOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 10)

	first := b.place(t, "u-1", "tea", 2, "Idempotency-Key", "k-1")
	b.settle(t, first.ID)

	// The same request in other words: keys in another order, space, the default spelled out.
	r := b.ask(t, "POST", "/orders", ` { "lines" : [{"quantity":2, "sku":"tea"}], "hold_seconds":0, "user_id":"u-1"}`, "Idempotency-Key", "k-1")
	again := as[api.Order](t, r, 201)

	if again.ID != first.ID || r.header.Get("Idempotent-Replayed") != "true" || r.header.Get("Location") != "/orders/"+first.ID.String() {
		t.Errorf("again = %+v, header %v", again, r.header)
	}

	if again.Status != order.Confirmed {
		t.Errorf("status = %s: the replay tells where the order stands now", again.Status)
	}

	for name, body := range map[string]string{
		"quantity": placeBody("u-1", "tea", 3),
		"user":     placeBody("u-2", "tea", 2),
	} {
		t.Log(name)
		wantProblem(t, b.ask(t, "POST", "/orders", body, "Idempotency-Key", "k-1"), 422, order.KeyReused)
	}

	if other := b.place(t, "u-1", "tea", 2, "Idempotency-Key", "k-2"); other.ID == first.ID {
		t.Error("another key gave the same order")
	}

	if none := b.place(t, "u-1", "tea", 2); none.ID == first.ID {
		t.Error("no key gave the same order")
	}
}

func TestRefusedRequestLeavesItsKeyFree(t *testing.T) {
	t.Parallel()
	b := setup(t)

	wantProblem(t, b.ask(t, "POST", "/orders", placeBody("u-1", "tea", 0), "Idempotency-Key", "k"), 422, order.InvalidQuantity)
	wantProblem(t, b.ask(t, "POST", "/orders", placeBody("u-1", "tea", 1), "Idempotency-Key", "k"), 422, order.UnknownSKU)
	b.stock(t, "tea", 1250, 0)
	b.place(t, "u-1", "tea", 2, "Idempotency-Key", "k")
}

func TestRequestsAtTheSameMomentGetOneOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 0)

	const callers = 20

	var (
		group    sync.WaitGroup
		mu       sync.Mutex
		ids      = map[uuid.UUID]int{}
		replayed int
	)

	for range callers {
		group.Go(func() {
			r := b.ask(t, "POST", "/orders", placeBody("u-1", "tea", 1), "Idempotency-Key", "same")
			o := as[api.Order](t, r, 201)

			mu.Lock()
			defer mu.Unlock()

			ids[o.ID]++

			if r.header.Get("Idempotent-Replayed") == "true" {
				replayed++
			}
		})
	}

	group.Wait()

	if len(ids) != 1 || replayed != callers-1 {
		t.Errorf("%d callers got %d orders, %d of them replays: %v", callers, len(ids), replayed, ids)
	}

	if n := b.count(t, "orders"); n != 1 {
		t.Errorf("%d orders", n)
	}

	if n := b.count(t, "river_job"); n != 3 {
		t.Errorf("%d jobs for one order", n)
	}
}

func TestManyCallersGetAnOrderEach(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 0)

	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { b.place(t, "u-1", "tea", 1) })
	}

	group.Wait()

	if n := b.count(t, "orders"); n != 50 {
		t.Errorf("%d orders", n)
	}
}

func TestIdempotencyKeyThatCannotBeOne(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for name, key := range map[string]string{
		"empty":        "", // would be taken for none, and each retry would place an order
		"too long":     strings.Repeat("k", 256),
		"with a space": "a b",
		"not ASCII":    "schlüssel",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			p := wantProblem(t, b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Idempotency-Key", key), 422, order.Invalid)
			if p.Errors[0].Location != "header.Idempotency-Key" {
				t.Errorf("errors = %v", p.Errors)
			}
		})
	}

	twice := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Idempotency-Key", "a", "Idempotency-Key", "b")
	wantProblem(t, twice, 422, order.Invalid)

	if r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Idempotency-Key", strings.Repeat("~", 255)); r.status != 201 {
		t.Errorf("a key of 255: %d %s", r.status, r.body)
	}
}
