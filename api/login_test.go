package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"orders/api"
	"orders/api/access"
	"orders/api/problem"
	"orders/db/dbtest"
	"orders/db/token"
)

// login logs in with the form and returns the cookie's text and the answer.
func (b *bundle) login(t *testing.T, text, next string, headers ...string) (cookie string, r reply) {
	t.Helper()

	form := url.Values{"token": {text}, "next": {next}}.Encode()
	r = b.ask(t, "POST", "/login", form, append(headers, "Content-Type", "application/x-www-form-urlencoded")...)

	if set := r.header.Get("Set-Cookie"); set != "" {
		cookie, _, _ = strings.Cut(set, ";")
	}

	return cookie, r
}

const acceptPage = "text/html,application/xhtml+xml"

// A browser is led to the login page, logs in with a token, and comes back. The session works
// on each kind of route, and has the roles of its token.
func TestABrowserLogsIn(t *testing.T) {
	t.Parallel()

	b, tokens := guarded(t)

	r := b.ask(t, "GET", "/riverui/?x=1", "", "Accept", acceptPage)
	if r.status != 303 || r.header.Get("Location") != "/login?next="+url.QueryEscape("/riverui/?x=1") {
		t.Fatalf("%d %v", r.status, r.header)
	}

	wantProblem(t, b.ask(t, "GET", "/riverui/", ""), 401, problem.Unauthenticated) // a program, or a script

	page := b.ask(t, "GET", r.header.Get("Location"), "", "Accept", acceptPage)
	if page.status != 200 || !strings.Contains(page.body, `name="next" value="/riverui/?x=1"`) || strings.Contains(page.body, "<script") {
		t.Errorf("%d %s", page.status, page.body)
	}

	cookie, r := b.login(t, tokens[access.Viewer], "/riverui/?x=1")
	if r.status != 303 || r.header.Get("Location") != "/riverui/?x=1" {
		t.Fatalf("%d %v %s", r.status, r.header, r.body)
	}

	for _, part := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="} {
		if set := r.header.Get("Set-Cookie"); !strings.Contains(set, part) || strings.Contains(set, "Secure") {
			t.Errorf("Set-Cookie: %s", set)
		}
	}

	for _, path := range []string{"/riverui/", "/orders", "/actions"} {
		if r := b.ask(t, "GET", path, "", "Cookie", cookie, "Accept", "*/*"); r.status != 200 {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}

	wantProblem(t, b.ask(t, "POST", "/riverui/api/jobs/cancel", `{}`, "Cookie", cookie), 403, problem.Forbidden)
	wantProblem(t, b.ask(t, "POST", "/orders", `{}`, "Cookie", cookie), 403, problem.Forbidden)

	if r := b.ask(t, "GET", "/login", "", "Cookie", cookie); !strings.Contains(r.body, "viewer&#39;s") {
		t.Errorf("the page does not say who has logged in: %s", r.body)
	}

	if text := strings.TrimPrefix(cookie, "orders_session="); dbtest.Count(t, b.pool, `SELECT count(*) FROM login_sessions WHERE token = $1`, text) != 0 {
		t.Error("the database has the cookie's text")
	}

	if r := b.ask(t, "POST", "/logout", "", "Cookie", cookie); r.status != 303 || !strings.Contains(r.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("logout: %d %v", r.status, r.header)
	}

	wantProblem(t, b.ask(t, "GET", "/orders", "", "Cookie", cookie), 401, problem.Unauthenticated)

	if got := b.acts(t, "?actor="+url.QueryEscape("viewer's"), "Authorization", "Bearer "+tokens[access.Viewer]); strings.Count(got, "viewer's/session log_in token") != 1 ||
		strings.Count(got, "viewer's/session log_out token") != 1 {
		t.Errorf("actions: %s", got)
	}
}

// What a session does has its actor, and another site cannot do anything with it.
func TestASessionActs(t *testing.T) {
	t.Parallel()

	b, tokens := guarded(t)
	cookie, _ := b.login(t, tokens[access.Operator], "/")
	product := `{"name":"Tea","price":100,"currency":"EUR"}`
	json := []string{"Cookie", cookie, "Content-Type", "application/json"}

	for _, site := range []string{"cross-site", "same-site"} {
		wantProblem(t, b.ask(t, "PUT", "/products/tea", product, append(json, "Sec-Fetch-Site", site)...), 403, problem.CrossOrigin)
		wantProblem(t, b.ask(t, "POST", "/riverui/api/jobs/cancel", `{}`, append(json, "Sec-Fetch-Site", site)...), 403, problem.CrossOrigin)
		wantProblem(t, b.ask(t, "POST", "/logout", ``, append(json, "Sec-Fetch-Site", site)...), 403, problem.CrossOrigin)
	}

	if r := b.ask(t, "PUT", "/products/tea", product, append(json, "Sec-Fetch-Site", "same-origin")...); r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}

	if got := b.acts(t, "?action=put_product", json[:2]...); got != "operator's/session put_product product tea\n" {
		t.Error(got)
	}
}

// The page leads to addresses of this server only.
func TestLoginLeadsToThisServerOnly(t *testing.T) {
	t.Parallel()

	b, tokens := guarded(t)

	for _, next := range []string{
		"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example`, "/\t/evil.example", "javascript:alert(1)", "evil", "", "/%2f/x\n",
	} {
		if _, r := b.login(t, tokens[access.Viewer], next); r.status != 303 || r.header.Get("Location") != "/" {
			t.Errorf("%q leads to %q (%d)", next, r.header.Get("Location"), r.status)
		}
	}
}

// A text that somebody else has put into the browser is worth nothing after the login, and a
// second login ends the session before it.
func TestLoginMakesANewSession(t *testing.T) {
	t.Parallel()

	b, tokens := guarded(t)

	first, _ := b.login(t, tokens[access.Viewer], "/", "Cookie", "orders_session=chosen-by-somebody-else")
	if first == "" || strings.Contains(first, "chosen") {
		t.Fatal(first)
	}

	second, _ := b.login(t, tokens[access.Viewer], "/", "Cookie", first)
	if second == first {
		t.Error("the second login has kept the text")
	}

	wantProblem(t, b.ask(t, "GET", "/orders", "", "Cookie", first), 401, problem.Unauthenticated)

	if r := b.ask(t, "GET", "/orders", "", "Cookie", second); r.status != 200 {
		t.Error(r.status)
	}
}

// The cookie is Secure if the browser has come by TLS, which a proxy has ended.
func TestTheCookieIsSecureBehindTLS(t *testing.T) {
	t.Parallel()

	b, tokens := guarded(t)

	for _, headers := range [][]string{{"X-Forwarded-Proto", "https"}, {"Origin", "https://orders.test", "Sec-Fetch-Site", "same-origin"}} {
		if _, r := b.login(t, tokens[access.Viewer], "/", headers...); !strings.Contains(r.header.Get("Set-Cookie"), "Secure") {
			t.Errorf("%v: %v", headers, r.header)
		}
	}
}

// A session ends with its token, when it is idle, and when it is old.
func TestWhenSessionsEnd(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *api.Options) {
		o.Keys = access.NewKeyring(o.Pool, slog.New(slog.DiscardHandler))
		go o.Keys.Run(t.Context())
	})
	text := makeToken(t, b, "vera", access.Viewer)

	for name, sql := range map[string]string{
		"idle": `UPDATE login_sessions SET seen_at = now() - interval '2 hours 1 second'`,
		"old":  `UPDATE login_sessions SET ends_at = now()`,
	} {
		cookie, _ := b.login(t, text, "/")
		if r := b.ask(t, "GET", "/orders", "", "Cookie", cookie); r.status != 200 {
			t.Fatalf("%s: %d", name, r.status)
		}

		if _, err := b.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}

		wantProblem(t, b.ask(t, "GET", "/orders", "", "Cookie", cookie), 401, problem.Unauthenticated)
	}

	cookie, _ := b.login(t, text, "/")

	if _, err := b.pool.Exec(t.Context(), `UPDATE tokens SET revoked_at = now() WHERE id = $1`, token.IDOf(text)); err != nil {
		t.Fatal(err)
	}

	for deadline := time.Now().Add(time.Minute); b.ask(t, "GET", "/orders", "", "Cookie", cookie).status != 401; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the session outlives its token")
		}
	}
}

// A link of another site comes without the cookie, which is SameSite=Strict. The page loads
// again from this site, and then has it.
func TestALinkOfAnotherSiteWorks(t *testing.T) {
	t.Parallel()

	b, _ := guarded(t)

	r := b.ask(t, "GET", "/riverui/", "", "Accept", acceptPage, "Sec-Fetch-Site", "cross-site")
	if r.status != 200 || !strings.Contains(r.body, `http-equiv="refresh"`) || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// Guesses are refused for a while, by the address of their sender. Tokens that are known stay
// good, and so does the login from another address.
func TestFailuresAreLimited(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *api.Options) {
		o.Keys = access.NewKeyring(o.Pool, slog.New(slog.DiscardHandler))

		proxy, err := access.NewProxy([]string{"127.0.0.0/8", "::1"}, "X-Forwarded-User", "X-Forwarded-Groups", []string{"staff=viewer"})
		if err != nil {
			t.Fatal(err)
		}

		o.Keys.Trust(proxy)
	})
	good := makeToken(t, b, "vera", access.Viewer)
	from := func(address string) []string { return []string{"X-Forwarded-For", address} }

	refused := 0

	for range 20 {
		if r := b.ask(t, "GET", "/orders", "", append(from("198.51.100.7"), "Authorization", "Bearer "+token.New())...); r.status == 429 {
			refused++

			wantProblem(t, r, 429, problem.TooManyFailures)
		}
	}

	if refused < 5 || refused > 15 {
		t.Errorf("%d of 20 were refused with 429", refused)
	}

	if _, r := b.login(t, good, "/", from("198.51.100.7")...); r.status != 429 || r.header.Get("Retry-After") == "" {
		t.Errorf("login from the address: %d", r.status)
	}

	if _, r := b.login(t, good, "/", from("203.0.113.9")...); r.status != 303 {
		t.Errorf("login from another address: %d", r.status)
	}

	// Another hop that the client claims does not make it another address.
	if _, r := b.login(t, good, "/", from("203.0.113.9, 198.51.100.7")...); r.status != 429 {
		t.Errorf("login with a forged hop: %d", r.status)
	}

	if r := b.ask(t, "GET", "/orders", "", append(from("198.51.100.7"), "Authorization", "Bearer "+good)...); r.status != 200 {
		t.Errorf("a token that is known: %d", r.status)
	}
}

// The proxy's headers say who it is. From other addresses they mean nothing.
func TestATrustedProxyNamesUsers(t *testing.T) {
	t.Parallel()

	behind := func(addresses ...string) *bundle {
		return setup(t, func(o *api.Options) {
			o.Keys = access.NewKeyring(o.Pool, slog.New(slog.DiscardHandler))
			o.RiverUI = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "River UI") })

			proxy, err := access.NewProxy(addresses, "X-Forwarded-User", "X-Forwarded-Groups",
				[]string{"staff=viewer", "cn=sre=operator", "shop=client"})
			if err != nil {
				t.Fatal(err)
			}

			o.Keys.Trust(proxy)
		})
	}

	b := behind("127.0.0.1", "::1")
	as := func(user, groups string) []string {
		return []string{"X-Forwarded-User", user, "X-Forwarded-Groups", groups, "Content-Type", "application/json"}
	}
	product := `{"name":"Tea","price":100,"currency":"EUR"}`

	if r := b.ask(t, "GET", "/riverui/", "", append(as("vera", "staff, other"), "Accept", acceptPage)...); r.body != "River UI" {
		t.Errorf("%d %s", r.status, r.body)
	}

	wantProblem(t, b.ask(t, "PUT", "/products/tea", product, as("vera", "staff")...), 403, problem.Forbidden)
	wantProblem(t, b.ask(t, "GET", "/orders", "", as("nobody", "others")...), 403, problem.Forbidden)
	wantProblem(t, b.ask(t, "GET", "/orders", "", "X-Forwarded-Groups", "cn=sre"), 401, problem.Unauthenticated)
	wantProblem(t, b.ask(t, "GET", "/orders", "", append(as("vera", "staff"), "X-Forwarded-User", "ann")...), 401, problem.Unauthenticated)
	wantProblem(t, b.ask(t, "PUT", "/products/tea", product, append(as("ann", "cn=sre"), "Sec-Fetch-Site", "cross-site")...), 403, problem.CrossOrigin)

	// oauth2-proxy may send a token of its own with the user.
	if r := b.ask(t, "PUT", "/products/tea", product, append(as("ann", "shop,cn=sre"), "Authorization", "Bearer of-the-proxy")...); r.status != 201 {
		t.Errorf("%d %s", r.status, r.body)
	}

	if got := b.acts(t, "", as("vera", "staff")...); got != "ann/proxy put_product product tea\n" {
		t.Error(got)
	}

	other := behind("192.0.2.0/24")
	wantProblem(t, other.ask(t, "GET", "/orders", "", append(as("ann", "cn=sre"), "X-Forwarded-For", "192.0.2.1")...), 401, problem.Unauthenticated)
}
