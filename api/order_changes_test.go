package api_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"orders/api"
	"orders/api/operation"
	"orders/api/problem"
	"orders/order"
)

// cancelPath and payPath are the addresses of what is asked of an order.
func cancelPath(id uuid.UUID) string { return "/orders/" + id.String() + "/cancel" }
func payPath(id uuid.UUID) string    { return "/orders/" + id.String() + "/payment" }

func TestCancelOverHTTP(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.stock(t, "tea", 100, 10)

	o := b.place(t, "u-1", "tea", 4)
	b.settle(t, o.ID)

	got := as[api.Order](t, b.ask(t, "POST", cancelPath(o.ID), `{"reason":"changed my mind"}`), 200)
	if got.ID != o.ID || got.Status != order.Cancelled || got.StatusReason != "changed my mind" {
		t.Errorf("cancelled: %+v", got)
	}

	if p := as[api.Product](t, b.ask(t, "GET", "/products/tea", ""), 200); p.Available != 10 {
		t.Errorf("%d available", p.Available)
	}

	again := as[api.Order](t, b.ask(t, "POST", cancelPath(o.ID), `{}`), 200)
	if again.StatusReason != "changed my mind" {
		t.Errorf("again: %+v", again)
	}

	without := b.place(t, "u-1", "tea", 11)
	b.settle(t, without.ID)

	p := wantProblem(t, b.ask(t, "POST", cancelPath(without.ID), `{}`), 409, order.StateConflict)
	if !strings.Contains(p.Detail, "rejected") || p.Current != "rejected" {
		t.Errorf("the refusal does not name the status: %q", p.Detail)
	}

	wantProblem(t, b.ask(t, "POST", cancelPath(uuid.New()), `{}`), 404, order.NotFound)
	wantProblem(t, b.ask(t, "POST", cancelPath(o.ID), `{"reason":"`+strings.Repeat("x", 501)+`"}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", cancelPath(o.ID), `{"reason":"\u0000"}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", cancelPath(o.ID), `{"why":"?"}`), 422, order.Invalid)
}

func TestAHoldOverHTTP(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.stock(t, "tea", 100, 10)

	held := as[api.Order](t, b.ask(t, "POST", "/orders", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"hold_seconds":600}`), 201)
	if held.HoldUntil == nil || held.HoldUntil.Sub(held.CreatedAt).Round(time.Minute) != 10*time.Minute {
		t.Fatalf("held until %v, placed at %s", held.HoldUntil, held.CreatedAt)
	}

	if got := as[api.Order](t, b.ask(t, "GET", "/orders/"+held.ID.String(), ""), 200); !got.HoldUntil.Equal(*held.HoldUntil) {
		t.Errorf("answered with %s, written as %s", held.HoldUntil, got.HoldUntil)
	}

	b.settle(t, held.ID)

	for body, fields := range map[string][]string{
		`{"reference":"p","amount":99,"currency":"EUR"}`:  {"body.amount"},
		`{"reference":"p","amount":100,"currency":"USD"}`: {"body.currency"},
		`{"reference":"p","amount":0,"currency":"USD"}`:   {"body.amount", "body.currency"},
	} {
		p := wantProblem(t, b.ask(t, "POST", payPath(held.ID), body), 422, order.PaymentMismatch)
		if locations := operation.Each(p.Errors, func(e problem.FieldError) string { return e.Location }); !slices.Equal(locations, fields) {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}

	// The payment's callback comes several times, at the same moment.
	const total = `{"reference":"p","amount":100,"currency":"EUR"}`

	var (
		callers sync.WaitGroup
		replays atomic.Int64
	)

	for range 8 {
		callers.Go(func() {
			r := b.ask(t, "POST", payPath(held.ID), total)
			if r.status != http.StatusOK {
				t.Errorf("paid: %d %s", r.status, r.body)
			}

			if r.header.Get("Idempotent-Replayed") == "true" {
				replays.Add(1)
			}
		})
	}

	callers.Wait()

	if n := replays.Load(); n != 7 {
		t.Errorf("%d of 8 payments are replays", n)
	}

	if got := as[api.Order](t, b.ask(t, "POST", payPath(held.ID), `{"reference":"p"}`), 200); got.Status != order.Confirmed {
		t.Errorf("paid: %+v", got)
	}

	p := wantProblem(t, b.ask(t, "POST", payPath(held.ID), `{"reference":"p","amount":99,"currency":"EUR"}`), 409, order.PaymentReused)
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.amount" {
		t.Errorf("errors %+v", p.Errors)
	}

	wantProblem(t, b.ask(t, "POST", payPath(held.ID), `{"reference":"q"}`), 409, order.PaymentReused)

	for _, half := range []string{`{"reference":"p","amount":100}`, `{"reference":"p","currency":"EUR"}`} {
		wantProblem(t, b.ask(t, "POST", payPath(held.ID), half), 422, order.Invalid)
	}

	wantProblem(t, b.ask(t, "POST", payPath(held.ID), `{"reference":""}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", payPath(uuid.New()), `{"reference":"p"}`), 404, order.NotFound)

	for _, seconds := range []string{"-1", "2592001", "1.5", `"60"`} {
		wantProblem(t, b.ask(t, "POST", "/orders",
			`{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"hold_seconds":`+seconds+`}`), 422, order.Invalid)
	}
}

// A payment that comes before the stock is reserved is kept.
func TestAPaymentOfAPendingOrderOverHTTP(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.stock(t, "tea", 100, 10)

	held := as[api.Order](t, b.ask(t, "POST", "/orders", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"hold_seconds":600}`), 201)

	if got := as[api.Order](t, b.ask(t, "POST", payPath(held.ID), `{"reference":"p"}`), 200); got.Status != order.Pending {
		t.Errorf("paid: %+v", got)
	}

	b.settle(t, held.ID)

	if got := as[api.Order](t, b.ask(t, "GET", "/orders/"+held.ID.String(), ""), 200); got.Status != order.Confirmed {
		t.Errorf("with stock: %+v", got)
	}

	plain := b.place(t, "u-1", "tea", 1)

	if p := wantProblem(t, b.ask(t, "POST", payPath(plain.ID), `{"reference":"q"}`), 409, order.StateConflict); p.Current != "pending" {
		t.Errorf("an order that is not held: %+v", p)
	}
}

// The reason is optional, and so is the body.
func TestCancelWithoutABody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1, 0)

	for _, body := range []string{"", "{}"} {
		id := b.place(t, "u", "tea", 1).ID.String()

		if o := as[api.Order](t, b.ask(t, "POST", "/orders/"+id+"/cancel", body), 200); o.Status != order.Cancelled {
			t.Errorf("body %q: status %s", body, o.Status)
		}
	}

	letter := strconv.FormatInt(b.deadLetters(t, 1)[0], 10)
	if r := b.ask(t, "POST", "/dead-letters/"+letter+"/redrive", ""); r.status != 200 {
		t.Errorf("redrive: %d %s", r.status, r.body)
	}

	wantProblem(t, b.ask(t, "POST", "/dead-letters/redrive", ""), 400, malformed)
}
