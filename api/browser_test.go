package api_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"orders/api"
	"orders/api/problem"
	"orders/order"
)

const shop = "https://shop.example"

func TestPagesOfListedOriginsMayUseTheAPI(t *testing.T) {
	t.Parallel()
	b := serve(t, func(o *api.Options) { o.Origins = []string{shop} })
	body := placeBody("u", "tea", 1)

	r := b.ask(t, "OPTIONS", "/orders", "", "Origin", shop, "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "content-type,idempotency-key")
	if r.status != 204 || r.header.Get("Access-Control-Allow-Origin") != shop ||
		r.header.Get("Access-Control-Allow-Methods") != "POST" || r.header.Get("Access-Control-Allow-Headers") != "content-type,idempotency-key" {
		t.Errorf("preflight: %d %v", r.status, r.header)
	}

	r = b.ask(t, "POST", "/orders", body, "Origin", shop, "Sec-Fetch-Site", "cross-site")
	if r.status != 201 || r.header.Get("Access-Control-Allow-Origin") != shop ||
		!strings.Contains(r.header.Get("Access-Control-Expose-Headers"), "Location") {
		t.Errorf("order: %d %v", r.status, r.header)
	}

	for _, refused := range []string{"https://evil.example", "http://shop.example", "https://shop.example:8443", "null"} {
		r := b.ask(t, "POST", "/orders", body, "Origin", refused, "Sec-Fetch-Site", "cross-site")
		wantProblem(t, r, 403, problem.CrossOrigin)

		if got := r.header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s is allowed as %s", refused, got)
		}
	}
}

func TestNoOriginIsAllowedByDefault(t *testing.T) {
	t.Parallel()
	b := serve(t)

	r := b.ask(t, "OPTIONS", "/orders", "", "Origin", shop, "Access-Control-Request-Method", "POST")
	wantProblem(t, r, 405, problem.MethodNotAllowed)

	if r := b.ask(t, "GET", "/healthz", "", "Origin", shop); r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", r.header)
	}
}

func TestLongAnswersAreCompressed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 1)

	for range 20 {
		b.place(t, "u-1", "tea", 1)
	}

	plain := b.ask(t, "GET", "/orders", "", "Accept-Encoding", "identity")
	packed := b.ask(t, "GET", "/orders", "", "Accept-Encoding", "gzip, br")

	if plain.header.Get("Content-Encoding") != "" || packed.header.Get("Content-Encoding") != "gzip" || len(packed.body) > len(plain.body)/4 {
		t.Errorf("%d bytes %v, of %d", len(packed.body), packed.header, len(plain.body))
	}

	reader, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}

	if text, err := io.ReadAll(reader); err != nil || string(text) != plain.body {
		t.Errorf("the two differ: %v", err)
	}

	for path, compressed := range map[string]bool{"/openapi.json": true, "/orders?limit=1": false, "/healthz": false, "/orders?limit=0": false} {
		r := b.ask(t, "GET", path, "", "Accept-Encoding", "gzip")
		if got := r.header.Get("Content-Encoding") == "gzip"; got != compressed || r.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v", path, r.header)
		}
	}

	if r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Accept-Encoding", "gzip"); r.header.Get("Vary") != "" {
		t.Errorf("placing: %v", r.header)
	}

	if r := b.ask(t, "HEAD", "/orders", "", "Accept-Encoding", "gzip"); r.status != 200 || r.body != "" {
		t.Errorf("HEAD: %d %q", r.status, r.body)
	}
}

// Compression would hold events back until there are enough of them.
func TestStreamsAreNotCompressed(t *testing.T) {
	t.Parallel()
	b, _ := watching(t)
	stream := b.events(t, b.place(t, "u", "tea", 1).ID, "") // its client accepts gzip
	stream.order()

	if got := stream.header.Get("Content-Encoding"); got != "" {
		t.Errorf("Content-Encoding %q", got)
	}
}

func TestEachProblemTypeHasAPage(t *testing.T) {
	t.Parallel()
	b := serve(t)
	all := b.ask(t, "GET", "/problems", "").body

	for _, code := range problem.Codes() {
		kind, address := problem.TypeOf(code), string(problem.AddressOf(code))

		r := b.ask(t, "GET", address, "")
		text := strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&lt;", "<", "&gt;", ">").Replace(r.body)

		if r.status != 200 || r.header.Get("Content-Type") != "text/html; charset=utf-8" || kind.Help == "" || kind.Title == "" ||
			!strings.Contains(text, kind.Title) || !strings.Contains(text, kind.Help) || !strings.Contains(text, fmt.Sprint("status ", kind.Status)) {
			t.Errorf("%s: %d %s", address, r.status, r.body)
		}

		if !strings.Contains(all, `href="`+address+`"`) {
			t.Errorf("/problems does not list %s", address)
		}
	}

	if text := b.ask(t, "GET", "/problems/bad-cursor", "").body; !strings.Contains(text, "GET /dead-letters</code>") || strings.Contains(text, "/healthz") {
		t.Errorf("operations: %s", text)
	}

	wantProblem(t, b.ask(t, "GET", "/problems/boredom", ""), http.StatusNotFound, order.NotFound)
}
