package api_test

import (
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"orders/api"
	"orders/api/access"
	"orders/api/problem"
	"orders/db"
	"orders/db/token"
)

// guarded is an API that asks for tokens, and a token of each role.
func guarded(t *testing.T) (b *bundle, tokens map[access.Role]string) {
	t.Helper()

	b = setup(t, func(o *api.Options) {
		o.Keys = access.NewKeyring(o.Pool, slog.New(slog.DiscardHandler))
		o.RiverUI = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		o.Metrics = o.RiverUI
	})
	tokens = map[access.Role]string{}

	for _, role := range access.Roles() {
		tokens[role] = makeToken(t, b, string(role)+"'s", role)
	}

	return b, tokens
}

func makeToken(t *testing.T, b *bundle, name string, roles ...access.Role) string {
	t.Helper()

	text := token.New()
	made := token.Token{Name: name, CreatedBy: "test"}

	for _, role := range roles {
		made.Roles = append(made.Roles, string(role))
	}

	if err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := token.Create(t.Context(), tx, text, made, 0)

		return err
	}); err != nil {
		t.Fatal(err)
	}

	return text
}

// Every route names its roles, and no other token may use it: not with any role that is not
// named, and without a token only those that are for anyone.
func TestEveryRouteAsksForItsRoles(t *testing.T) {
	t.Parallel()

	b, tokens := guarded(t)

	routes := api.Routes()
	if len(routes) < 40 {
		t.Fatalf("%d routes; where are the others?", len(routes))
	}

	for _, route := range routes {
		method, path, found := strings.Cut(route.Pattern, " ")
		if !found {
			method, path = "POST", route.Pattern
		}

		path = examplePath(path)

		t.Run(method+" "+path, func(t *testing.T) {
			t.Parallel()

			if len(route.Roles) == 0 {
				t.Fatal("it names no role")
			}

			status := func(headers ...string) int {
				body, form := "", "application/json"

				switch {
				case path == "/login": // 401 is about the token in the form
					body, form = "token="+tokens[access.Viewer], "application/x-www-form-urlencoded"
				case method != "GET":
					body = "{}"
				}

				return b.ask(t, method, path, body, append(headers, "Content-Type", form)...).status
			}

			if public := slices.Contains(route.Roles, access.Anyone); (status() == 401) == public {
				t.Errorf("without a token: %d", status())
			} else if public {
				return
			}

			if got := status("Authorization", "Bearer "+token.New()); got != 401 && got != 429 {
				t.Errorf("with a token that is not known: %d", got)
			}

			for role, text := range tokens {
				if got, may := status("Authorization", "Bearer "+text), slices.Contains(route.Roles, role); (got == 401 || got == 403 || got == 429) == may {
					t.Errorf("as %s: %d", role, got)
				}
			}
		})
	}
}

const exampleID = "019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11"

// A viewer changes nothing by any route with any method, by a token, by a session, or named by
// a proxy.
func TestAViewerChangesNothing(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *api.Options) {
		o.Keys = access.NewKeyring(o.Pool, slog.New(slog.DiscardHandler))
		o.RiverUI = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				t.Errorf("River UI got %s %s", r.Method, r.URL.Path)
			}
		})
		o.Metrics = o.RiverUI

		proxy, err := access.NewProxy([]string{"127.0.0.1", "::1"}, "X-Forwarded-User", "X-Forwarded-Groups", []string{"staff=viewer"})
		if err != nil {
			t.Fatal(err)
		}

		o.Keys.Trust(proxy)
	})

	text := makeToken(t, b, "vera", access.Viewer)
	cookie, _ := b.login(t, text, "/")

	for known, headers := range map[string][]string{
		"token":   {"Authorization", "Bearer " + text},
		"session": {"Cookie", cookie},
		"proxy":   {"X-Forwarded-User", "vera", "X-Forwarded-Groups", "staff"},
	} {
		for _, route := range api.Routes() {
			if slices.Contains(route.Roles, access.Anyone) {
				continue // it shows a document, logs in or logs out
			}

			path := examplePath(route.Pattern)
			if strings.HasSuffix(route.Pattern, "/orders/{id}/events") {
				continue // a stream that lasts; it is a GET
			}

			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"} {
				r := b.ask(t, method, path, "{}", append(headers, "Content-Type", "application/json", "X-HTTP-Method-Override", "GET")...)
				if r.status != 403 && r.status != 405 {
					t.Errorf("%s %s by a %s: %d %s", method, path, known, r.status, r.body)
				}
			}

			// What a GET says of its method must not turn it into another.
			r := b.ask(t, "GET", path, "", append(headers, "X-HTTP-Method-Override", "POST", "Accept", "*/*")...)
			if mayRead := slices.Contains(route.Roles, access.Viewer); mayRead && (r.status == 401 || r.status == 403) {
				t.Errorf("GET %s by a %s: %d %s", path, known, r.status, r.body)
			}
		}
	}

	for _, table := range []string{"orders", "products", "stock_receipts", "idempotency_keys", "order_events", "redrives", "river_queue"} {
		if n := b.count(t, table); n != 0 {
			t.Errorf("%d rows of %s", n, table)
		}
	}

	if n := b.count(t, "operator_actions WHERE action <> 'log_in'"); n != 0 {
		t.Errorf("%d actions", n)
	}
}

// examplePath is a path of a route.
func examplePath(pattern string) string {
	_, path, _ := strings.Cut(pattern, "/")

	return strings.NewReplacer(
		"{$}", "", "{id}", exampleID, "{job_id}", "1", "{sku}", "tea", "{user_id}", "u-1", "{code}", "invalid", "{path...}", "",
		"{name}", "console.css", "{job}", "1", "{operation}", exampleID,
	).Replace("/" + path)
}

// The refusals say what to do. An act has its token's name as actor.
func TestTokensAndActors(t *testing.T) {
	t.Parallel()

	b, tokens := guarded(t)

	r := b.ask(t, "GET", "/orders", "")
	wantProblem(t, r, 401, problem.Unauthenticated)

	if got := r.header.Get("WWW-Authenticate"); got != `Bearer realm="orders"` {
		t.Errorf("WWW-Authenticate = %q", got)
	}

	r = b.ask(t, "POST", "/orders", `{}`, "Authorization", "Bearer "+tokens[access.Viewer])
	wantProblem(t, r, 403, problem.Forbidden)

	if !strings.Contains(r.body, "client or operator") {
		t.Errorf("the refusal does not name the roles: %s", r.body)
	}

	alice := makeToken(t, b, "alice", access.Stock, access.Client)
	auth := []string{"Authorization", "Bearer " + alice, "Content-Type", "application/json"}

	for _, step := range [][3]string{
		{"PUT", "/products/tea", `{"name":"Tea","price":100,"currency":"EUR"}`},
		{"POST", "/products/tea/receipts", `{"quantity":5,"reference":"po-1"}`},
		{"POST", "/orders", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`},
	} {
		if r = b.ask(t, step[0], step[1], step[2], auth...); r.status >= 300 {
			t.Fatalf("%s: %d %s", step[1], r.status, r.body)
		}
	}

	placed := as[api.Order](t, r, 201)

	if r = b.ask(t, "POST", "/orders/"+placed.ID.String()+"/cancel", `{"reason":"mistake"}`, auth...); r.status != 200 {
		t.Fatal(r.body)
	}

	var actor string
	if err := b.pool.QueryRow(t.Context(), `SELECT actor FROM order_events WHERE order_id = $1 AND type = 'cancelled'`, placed.ID).Scan(&actor); err != nil || actor != "alice" {
		t.Errorf("the actor is %q, %v", actor, err)
	}

	if strings.Contains(b.log.String(), alice) {
		t.Error("the log has a token")
	}
}

// Keys and references belong to the token's name. Two clients may use the same ones, and each
// finds its own again.
func TestClientsHaveTheirOwnKeysAndReferences(t *testing.T) {
	t.Parallel()

	b, tokens := guarded(t)
	operator := []string{"Authorization", "Bearer " + tokens[access.Operator], "Content-Type", "application/json"}
	b.ask(t, "PUT", "/products/tea", `{"name":"Tea","price":100,"currency":"EUR"}`, operator...)

	ids := map[string]string{}

	for _, client := range []string{"shop", "mall"} {
		auth := []string{"Authorization", "Bearer " + makeToken(t, b, client, access.Client, access.Stock), "Content-Type", "application/json"}
		keyed := slices.Concat(auth, []string{"Idempotency-Key", "k"})

		for again, path := range []string{"/orders", "/orders"} {
			r := b.ask(t, "POST", path, `{"user_id":"u-1","reference":"web-1","hold_seconds":600,"lines":[{"sku":"tea","quantity":1}]}`, keyed...)
			placed := as[api.Order](t, r, 201)

			if got := r.header.Get("Idempotent-Replayed"); (got == "true") != (again == 1) || again == 1 && placed.ID.String() != ids[client] {
				t.Errorf("%s, %d: %s, replayed: %q", client, again, placed.ID, got)
			}

			ids[client] = placed.ID.String()
		}

		for _, act := range [][2]string{
			{"/products/tea/receipts", `{"quantity":5,"reference":"po-1"}`},
			{"/products/tea/adjustments", `{"quantity":-1,"reason":"damaged","reference":"i-1"}`},
			{"/orders/" + ids[client] + "/payment", `{"reference":"p-1"}`},
		} {
			first := b.ask(t, "POST", act[0], act[1], auth...)
			if again := b.ask(t, "POST", act[0], act[1], auth...); first.status > 201 || again.status > 201 || again.body != first.body {
				t.Errorf("%s %s: %d %s, and again: %d %s", client, act[0], first.status, first.body, again.status, again.body)
			}
		}

		if list := as[orderPage](t, b.ask(t, "GET", "/orders?reference=web-1", "", auth...), 200); len(list.Orders) != 1 || list.Orders[0].ID.String() != ids[client] {
			t.Errorf("%s finds %d orders", client, len(list.Orders))
		}

		if r := b.ask(t, "GET", "/orders/"+ids[client]+"/timeline", "", "Authorization", "Bearer "+tokens[access.Viewer]); !strings.Contains(r.body, `"type":"placed"`) ||
			!strings.Contains(r.body, `"actor":"`+client+`"`) {
			t.Errorf("the timeline does not say who has placed the order: %s", r.body)
		}
	}

	if got := as[api.Product](t, b.ask(t, "GET", "/products/tea", "", operator[:2]...), 200); got.Available != 8 {
		t.Errorf("%d are available of two receipts and two adjustments", got.Available)
	}

	if list := as[orderPage](t, b.ask(t, "GET", "/orders?reference=web-1", "", "Authorization", "Bearer "+tokens[access.Viewer]), 200); len(list.Orders) != 2 {
		t.Errorf("a viewer finds %d orders", len(list.Orders))
	}
}

// Without tokens, only names of this machine are answered: a page of another site could let
// its name resolve to this address.
func TestOtherHostsAreRefusedWithoutTokens(t *testing.T) {
	t.Parallel()

	handler := api.New(api.Options{Log: slog.New(slog.DiscardHandler), Hosts: []string{"orders.test"}})

	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "LOCALHOST.": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "[::1]": 200, "orders.test:80": 200,
		"evil.example": 421, "evil.example:8080": 421, "127.0.0.1.evil.example": 421, "10.0.0.1": 421, "": 421,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/openapi.json", nil)
		r.Host = host

		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)

		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}

		if want == 421 && !strings.Contains(w.Body.String(), string(problem.UnknownHost)) {
			t.Errorf("Host %q: %s", host, w.Body)
		}
	}
}

// A route that is registered without roles would be for anyone.
func TestRoutesAreRegisteredWithTheirRoles(t *testing.T) {
	t.Parallel()

	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || path == "riverui/riverui.go" {
			return err
		}

		source, err := os.ReadFile(path)
		if n := strings.Count(string(source), "mux.Handle(") + strings.Count(string(source), "mux.HandleFunc("); n > 1 || n == 1 && path != "pages.go" {
			t.Errorf("%s registers a route without handle, or without operation's functions", path)
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
