package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"orders/api"
	"orders/api/operator"
	"orders/db/idempotency"
	"orders/order"
)

// A post is a POST of the document, with a request that is accepted.
type post struct {
	name string // method and path of the document
	path string
	body node
}

func (p post) text(t *testing.T) string {
	t.Helper()

	if p.body == nil {
		return ""
	}

	text, err := json.Marshal(p.body)
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// posts are all POSTs of the document with the examples of their bodies, each about an order or a letter of its own.
func (b *bundle) posts(t *testing.T) (list []post) {
	t.Helper()

	b.stock(t, "tea", 1250, 1_000)
	b.stock(t, "mug", 1250, 1_000) // which may be archived: the examples order tea

	letters := b.deadLetters(t, 40)
	hook, delivery := b.webhook(t)

	eachOperation(t, document(t, b), func(t *testing.T, name string, op node) {
		t.Helper()

		template, isPost := strings.CutPrefix(name, "POST ")
		if !isPost {
			return
		}

		// The payment's example is the total of two.
		held := as[api.Order](t, b.ask(t, "POST", "/orders", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":2}],"hold_seconds":60}`), 201)
		letter := strconv.FormatInt(letters[len(list)], 10)
		path := strings.NewReplacer("/webhooks/{id}", "/webhooks/"+hook, "{delivery_id}", delivery, "{sku}", "mug", "{job_id}", letter,
			"{id}", held.ID.String()).Replace(template)

		body, _ := at(op, "requestBody", "content", "application/json", "example").(node)
		delete(body, "dry_run") // it does nothing that could be repeated
		list = append(list, post{name, path, body})
	})

	slices.SortFunc(list, func(a, b post) int { return strings.Compare(b.path, a.path) }) // one letter before all letters

	return list
}

// Each POST takes an Idempotency-Key, and says so: it is done once, its replay is marked, and the key is refused for
// another body, another address and another operation. A new POST has no way around it.
func TestEveryPOSTTakesAnIdempotencyKey(t *testing.T) {
	t.Parallel()

	b := setup(t)
	doc := document(t, b)
	posts := b.posts(t)

	for n, p := range posts {
		key := fmt.Sprint("key-", n)
		first := b.ask(t, "POST", p.path, p.text(t), "Idempotency-Key", key)

		if first.status > 201 || first.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: %d %v %s", p.name, first.status, first.header, first.body)
		}

		again := b.ask(t, "POST", p.path, p.text(t), "Idempotency-Key", key)
		if again.status != first.status || again.header.Get("Idempotent-Replayed") != "true" || again.body != first.body {
			t.Errorf("%s again: %d %v %s, first %s", p.name, again.status, again.header, again.body, first.body)
		}

		for field := range p.body { // what each has one of
			switch field {
			case "note", "reference", "user_id":
				p.body[field] = "other"
			case "url":
				p.body[field] = "https://other.example/"
			case "reason":
				if p.body["quantity"] == nil { // that of an adjustment is an enum
					p.body[field] = "other"
				}
			case "limit":
				p.body[field] = 7
			}
		}

		if p.body != nil {
			wantProblem(t, b.ask(t, "POST", p.path, p.text(t), "Idempotency-Key", key), 422, order.KeyReused)
		}

		other := posts[(n+1)%len(posts)]
		wantProblem(t, b.ask(t, "POST", other.path, other.text(t), "Idempotency-Key", key), 422, order.KeyReused)

		op := at(doc, "paths", strings.TrimPrefix(p.name, "POST "), "post")

		if i := slices.IndexFunc(list(at(op, "parameters")), func(p any) bool { return at(p, "name") == "Idempotency-Key" }); i < 0 ||
			!strings.Contains(fmt.Sprint(list(at(op, "parameters"))[i]), strconv.Itoa(int(idempotency.Retention.Hours()))+" hours") {
			t.Errorf("%s: the document does not describe the Idempotency-Key", p.name)
		}

		if at(op, "responses", strconv.Itoa(first.status), "headers", "Idempotent-Replayed") == nil ||
			at(op, "responses", "422", "content", "application/problem+json", "examples", string(order.KeyReused)) == nil {
			t.Errorf("%s: the document describes neither the replay nor the refusal", p.name)
		}
	}

	if len(posts) < 9 {
		t.Errorf("%d operations", len(posts))
	}
}

// The key is for one address: the same cancellation of another order is another request.
func TestAKeyIsForOneAddress(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.stock(t, "tea", 100, 10)

	first, second := b.place(t, "u-1", "tea", 1), b.place(t, "u-1", "tea", 1)
	as[api.Order](t, b.ask(t, "POST", cancelPath(first.ID), "", "Idempotency-Key", "k"), 200)
	wantProblem(t, b.ask(t, "POST", cancelPath(second.ID), "", "Idempotency-Key", "k"), 422, order.KeyReused)

	if r := b.ask(t, "POST", cancelPath(first.ID), "{}", "Idempotency-Key", "k"); r.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("an empty body is another request than none: %d %s", r.status, r.body)
	}
}

// What was done stays undone when the request that did it is sent again: a replay returns the first response.
func TestAReplayDoesNothing(t *testing.T) {
	t.Parallel()

	b := setup(t)
	path := fmt.Sprintf("/dead-letters/%d", b.deadLetters(t, 1)[0])

	resolve := func(key string) reply {
		return b.ask(t, "POST", path+"/resolve", `{"reason":"a gift"}`, "Idempotency-Key", key)
	}

	first := resolve("k")
	as[operator.DeadLetterDetail](t, b.ask(t, "POST", path+"/reopen", `{"reason":"by mistake"}`), 200)

	if again := resolve("k"); again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %s", again.body)
	}

	if l := as[operator.DeadLetterDetail](t, b.ask(t, "GET", path, ""), 200); l.Resolution != "" {
		t.Errorf("the replay has resolved the letter: %+v", l)
	}

	if other := resolve("other"); other.header.Get("Idempotent-Replayed") != "" {
		t.Error("a new key replays")
	}
}

// A refusal leaves the key free: in a group commit, and in a transaction of its own.
func TestARefusalLeavesTheKeyFree(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.stock(t, "tea", 100, 1)

	rejected := b.place(t, "u-1", "tea", 2)
	b.settle(t, rejected.ID)

	held := as[api.Order](t, b.ask(t, "POST", "/orders", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"hold_seconds":60}`), 201)

	wantProblem(t, b.ask(t, "POST", cancelPath(rejected.ID), "", "Idempotency-Key", "k"), 409, order.StateConflict)
	wantProblem(t, b.ask(t, "POST", cancelPath(uuid.New()), "", "Idempotency-Key", "k"), 404, order.NotFound)
	wantProblem(t, b.ask(t, "POST", payPath(held.ID), `{"reference":"p","amount":1,"currency":"EUR"}`, "Idempotency-Key", "k"), 422, order.PaymentMismatch)
	wantProblem(t, b.ask(t, "POST", "/products/mug/receipts", `{"reference":"r","quantity":1}`, "Idempotency-Key", "k"), 404, order.NotFound)
	wantProblem(t, b.ask(t, "POST", "/dead-letters/999999/redrive", "", "Idempotency-Key", "k"), 404, order.NotFound)

	if n := b.count(t, "idempotency_keys"); n != 0 {
		t.Errorf("%d keys", n)
	}

	if r := b.ask(t, "POST", payPath(held.ID), `{"reference":"p"}`, "Idempotency-Key", "k"); r.status != 200 || r.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("paid: %d %s", r.status, r.body)
	}
}

// Requests with one key at the same moment are one request. One of them is the first, and the others wait for it.
func TestPOSTsAtTheSameMomentAreOne(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for n, p := range b.posts(t) {
		var (
			callers sync.WaitGroup
			first   atomic.Int64
		)

		for range 6 {
			callers.Go(func() {
				r := b.ask(t, "POST", p.path, p.text(t), "Idempotency-Key", fmt.Sprint("key-", n))
				if r.status > 201 {
					t.Errorf("%s: %d %s", p.name, r.status, r.body)
				}

				if r.header.Get("Idempotent-Replayed") == "" {
					first.Add(1)
				}
			})
		}

		callers.Wait()

		if got := first.Load(); got != 1 {
			t.Errorf("%s: %d of the requests are no replays", p.name, got)
		}
	}
}

// An operation id is another name for the key.
func TestAnOperationIDIsAKey(t *testing.T) {
	t.Parallel()

	b := setup(t)
	letters := b.deadLetters(t, 3)
	id, other := uuid.NewString(), uuid.NewString()

	path := fmt.Sprintf("/dead-letters/%d/redrive", letters[0])
	first := b.ask(t, "POST", path, `{"operation_id":"`+id+`"}`)

	for name, again := range map[string]reply{
		"as the id":  b.ask(t, "POST", path, `{"operation_id":"`+id+`"}`),
		"as the key": b.ask(t, "POST", path, `{}`, "Idempotency-Key", id),
		"as both":    b.ask(t, "POST", path, `{"operation_id":"`+id+`"}`, "Idempotency-Key", id),
	} {
		if again.status != 200 || again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: %d %s, first %s", name, again.status, again.body, first.body)
		}
	}

	wantProblem(t, b.ask(t, "POST", path, `{"operation_id":"`+id+`"}`, "Idempotency-Key", other), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", cancelPath(uuid.New()), `{}`, "Idempotency-Key", id), 422, order.KeyReused)

	// A dry run does nothing, so it neither takes a key nor is a replay.
	for _, body := range []string{`{"kind":"points","dry_run":true}`, `{"kind":"points"}`} {
		if r := b.ask(t, "POST", "/dead-letters/redrive", body, "Idempotency-Key", other); r.status != 200 || r.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
}
