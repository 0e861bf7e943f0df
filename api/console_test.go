package api_test

import (
	"fmt"
	"html"
	"log/slog"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"orders/api"
	"orders/api/access"
)

// see reads a page as a browser does, and checks what holds for every page.
func (b *bundle) see(t *testing.T, status int, path string, headers ...string) string {
	t.Helper()

	r := b.ask(t, "GET", path, "", append(headers, "Accept", "text/html,*/*;q=0.8")...)
	if r.status != status || r.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%s: %d %v %s", path, r.status, r.header, r.body)
	}

	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'self'"} {
		if policy := r.header.Get("Content-Security-Policy"); !strings.Contains(policy, part) || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", path, policy)
		}
	}

	if fault := regexp.MustCompile(`<script>|<style|style="|\son[a-z]+="|(src|href)="(https?:)?//|ZgotmplZ`).FindString(r.body); fault != "" {
		t.Errorf("%s has %q", path, fault)
	}

	for _, need := range []string{`<html lang="en">`, `name="viewport"`, `class="skip" href="#main"`, "<h1", `<main id="main"`} {
		if !strings.Contains(r.body, need) {
			t.Errorf("%s has no %s", path, need)
		}
	}

	return html.UnescapeString(r.body)
}

func wantTexts(t *testing.T, what, page string, texts ...string) {
	t.Helper()

	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("%s does not show %q: %.6000s", what, text, page)
		}
	}
}

var formField = regexp.MustCompile(`name="form" value="([^"]+)"`)

// submit sends a form as a browser does. A form without an id gets that of the page.
func (b *bundle) submit(t *testing.T, path string, fields url.Values, headers ...string) reply {
	t.Helper()

	return b.ask(t, "POST", path, fields.Encode(), append(headers, "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html", "Sec-Fetch-Site", "same-origin")...)
}

// Every page that needs no id says what is missing if there is nothing to show.
func TestConsolePagesWithoutData(t *testing.T) {
	t.Parallel()
	b := setup(t)

	for path, text := range map[string]string{
		"/console":                        "No worker is running",
		"/console/":                       "No worker is running",
		"/console/orders":                 "There are no orders yet",
		"/console/orders?status=rejected": "No order matches",
		"/console/search?q=":              "Write an order id",
		"/console/search?q=nobody":        "Nothing is named",
		"/console/problems":               "There are no open dead letters",
		"/console/queues":                 "No minute is counted yet",
		"/console/stock":                  "There is no such product",
		"/console/webhooks":               "There is no webhook",
		"/console/deliveries":             "Nothing has been sent yet",
		"/console/points":                 "Write the id of a customer",
		"/console/points?user_id=nobody":  "This customer has no points",
		"/console/audit":                  "No audit has finished yet",
		"/console/actions":                "Nobody has done anything yet",
		"/console/actions?actor=x":        "Nobody did that",
		"/console/tokens":                 "There is no token yet",
		"/console/problems/group?kind=points&signature=x":            "No letter of this cause is open",
		"/console/problems/plan?kind=points&signature=x&act=redrive": "There is no open letter",
	} {
		wantTexts(t, path, b.see(t, 200, path), text)
	}
}

// Browsers that open the address of the server get the console. Programs get the document, as before.
func TestFrontPage(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for accept, want := range map[string]string{"text/html,application/xhtml+xml,*/*;q=0.8": "/console", "*/*": "/docs", "": "/docs"} {
		if r := b.ask(t, "GET", "/", "", "Accept", accept); r.status != 302 || r.header.Get("Location") != want || r.header.Get("Vary") != "Accept" {
			t.Errorf("Accept %q: %d %v", accept, r.status, r.header)
		}
	}
}

// A browser gets refusals as pages, and a program as problems.
func TestConsoleRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)

	for path, status := range map[string]int{
		"/console/nowhere": 404, "/nowhere": 404, "/console/orders/x": 404, "/console/orders/" + exampleID: 404,
		"/console/orders?status=bored": 422, "/console/orders?from=yesterday": 422, "/console/orders?cursor=x": 422,
		"/console/problems/group": 422, "/console/problems/letters/0": 404, "/console/problems/letters/9": 404,
		"/console/stock/nothing": 404, "/console/actions?from=yesterday": 422, "/console/points?user_id=u&cursor=x": 422,
		"/console/redrives/" + exampleID: 404, "/console/problems/plan?kind=a&signature=b&limit=0": 422,
	} {
		wantTexts(t, path, b.see(t, status, path), fmt.Sprint("Status ", status), "request <code>")
	}

	if r := b.ask(t, "GET", "/console/nowhere", ""); r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a program gets %v", r.header)
	}

	if r := b.ask(t, "GET", "/orders/x", "", "Accept", "text/html"); r.header.Get("Content-Type") == "text/html; charset=utf-8" {
		t.Errorf("the API gets %v", r.header)
	}
}

func TestConsoleShowsOrders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 5)

	placed := b.place(t, "u-1", "tea", 2, "Idempotency-Key", "my-key")
	b.settle(t, placed.ID)
	b.place(t, "u-<b>", "tea", 1)

	id := placed.ID.String()

	wantTexts(t, "the list", b.see(t, 200, "/console/orders"), id, "u-1", "confirmed", "25.00 EUR", "2 × tea", "u-<b>")

	for query, want := range map[string]bool{"user_id=u-1": true, "user_id=u-2": false, "status=confirmed": true, "status=pending": false, "sku=tea": true, "from=2020-01-01T00:00": true, "to=2020-01-01T00:00": false} {
		if got := strings.Contains(b.see(t, 200, "/console/orders?"+query), id); got != want {
			t.Errorf("%s: %t", query, got)
		}
	}

	wantTexts(t, "the order", b.see(t, 200, "/console/orders/"+id), "all its work is done", "Stock was taken", "The order is confirmed", "Cancel this order")

	for _, text := range []string{id, "my-key"} {
		if r := b.ask(t, "GET", "/console/search?q="+text, ""); r.status != 303 || r.header.Get("Location") != "/console/orders/"+id {
			t.Errorf("search %s: %d %v", text, r.status, r.header)
		}
	}

	wantTexts(t, "the search for a customer", b.see(t, 200, "/console/search?q=u-1"), "/console/orders?user_id=u-1")
	wantTexts(t, "the search for a product", b.see(t, 200, "/console/search?q=tea"), "/console/orders?sku=tea")
}

// A list has a link to its next page, which has the next orders.
func TestConsolePagesOfALongList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 0)

	first := b.place(t, "u-1", "tea", 1).ID.String()
	for range 50 {
		b.place(t, "u-1", "tea", 1)
	}

	page := b.see(t, 200, "/console/orders?user_id=u-1")
	next := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(page)

	if next == nil || strings.Contains(page, first) {
		t.Fatalf("no next page, or all orders on one: %v", next)
	}

	wantTexts(t, "the next page", b.see(t, 200, next[1]), first, "First page")
}

// A form acts once, however often it is sent, and shows a refusal on its page.
func TestConsoleCancelsAnOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 5)

	path := "/console/orders/" + b.place(t, "u-1", "tea", 1).ID.String()
	form := url.Values{"form": {formField.FindStringSubmatch(b.see(t, 200, path))[1]}, "reason": {""}}

	if r := b.submit(t, path+"/cancel", form); r.status != 422 || !strings.Contains(r.body, "Say why") || !strings.Contains(r.body, "Cancel this order") {
		t.Errorf("without a reason: %d %s", r.status, r.body)
	}

	form.Set("reason", "the customer has called")

	for range 2 {
		if r := b.submit(t, path+"/cancel", form); r.status != 303 || r.header.Get("Location") != path+"?done=cancelled" {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}

	wantTexts(t, "the order", b.see(t, 200, path+"?done=cancelled"), "The order is cancelled.", "the customer has called", "it cannot be cancelled")

	if n := b.count(t, "order_events WHERE type = 'cancelled'"); n != 1 {
		t.Errorf("the form acted %d times", n)
	}

	if r := b.ask(t, "POST", path+"/cancel", form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"); r.status != 403 {
		t.Errorf("from another site: %d", r.status)
	}
}

// The way of a problem: the list, the group, the dry run, the redrive and its progress.
func TestConsoleRedrivesAProblem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := b.deadLetters(t, 3)

	wantTexts(t, "the list", b.see(t, 200, "/console/problems"), signature, "3 open dead letters of 1 cause")

	group := "?kind=points&signature=" + url.QueryEscape(signature)
	wantTexts(t, "the group", b.see(t, 200, "/console/problems/group"+group), "Dry run", "Customers affected", "u-1", strconv.FormatInt(jobs[2], 10))
	wantTexts(t, "the letter", b.see(t, 200, fmt.Sprint("/console/problems/letters/", jobs[0])), "dial tcp 10.0.0.0:5432", "transient", "Redrive", "Resolve")

	plan := b.see(t, 200, "/console/problems/plan"+group+"&act=redrive&limit=2&note=mended&rate=2")
	wantTexts(t, "the dry run", plan, "Nothing was changed", "Redrive 2 letters", "eligible")

	if n := b.count(t, "redrives"); n != 0 {
		t.Fatalf("the dry run made %d redrives", n)
	}

	form := url.Values{"form": {formField.FindStringSubmatch(plan)[1]}, "kind": {"points"}, "signature": {signature}, "limit": {"2"}, "note": {"mended"}}

	var progress string

	for range 2 {
		r := b.submit(t, "/console/problems/redrive", form)
		if progress = r.header.Get("Location"); r.status != 303 || progress != "/console/redrives/"+form.Get("form") {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}

	wantTexts(t, "the progress", b.see(t, 200, progress), "0 of 2 new jobs are done", "mended")

	if n := b.count(t, "redrives"); n != 2 {
		t.Errorf("the form made %d redrives", n)
	}

	letter := fmt.Sprint("/console/problems/letters/", jobs[2])
	if r := b.submit(t, letter+"/redrive", url.Values{"form": {exampleID}}); r.status != 303 || r.header.Get("Location") != letter+"?done=redriven" {
		t.Errorf("%d %s", r.status, r.body)
	}

	if r := b.submit(t, "/console/problems/redrive", url.Values{"form": {"x"}, "kind": {"points"}, "signature": {signature}}); r.status != 422 || !strings.Contains(r.body, "reload the page") {
		t.Errorf("without an id: %d %s", r.status, r.body)
	}
}

// A letter that was resolved can be reopened.
func TestConsoleResolvesAndReopens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := b.deadLetters(t, 2)

	group := "?kind=points&signature=" + url.QueryEscape(signature)
	wantTexts(t, "the dry run", b.see(t, 200, "/console/problems/plan"+group+"&act=resolve&note=done+by+hand"), "Resolve 2 letters", "nothing is to be done")

	form := url.Values{"form": {exampleID}, "kind": {"points"}, "signature": {signature}, "note": {"done by hand"}}
	if r := b.submit(t, "/console/problems/resolve", form); r.status != 303 {
		t.Fatalf("%d %s", r.status, r.body)
	}

	wantTexts(t, "the group", b.see(t, 200, "/console/problems/group"+group+"&state=resolved"), "dismissed", "Resolved letters")

	letter := fmt.Sprint("/console/problems/letters/", jobs[0])
	wantTexts(t, "the letter", b.see(t, 200, letter), "done by hand", "Reopen")

	if r := b.submit(t, letter+"/reopen", url.Values{"form": {exampleID}, "note": {"it was not"}}); r.status != 303 {
		t.Fatalf("%d %s", r.status, r.body)
	}

	wantTexts(t, "the letter", b.see(t, 200, letter+"?done=reopened"), "open again", "Redrive")

	if r := b.submit(t, letter+"/resolve", url.Values{"form": {exampleID}, "note": {" "}}); r.status != 422 || !strings.Contains(r.body, "Say why") {
		t.Errorf("without a reason: %d %s", r.status, r.body)
	}

	if r := b.submit(t, letter+"/resolve", url.Values{"form": {exampleID}, "note": {"again"}}); r.status != 303 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// A viewer sees all pages without buttons that act, and no form of a viewer is accepted. Without
// a token there is no page at all.
func TestConsoleForAViewer(t *testing.T) {
	t.Parallel()

	b := setup(t)
	jobs := b.deadLetters(t, 1)
	id := b.place(t, "u-1", "tea", 1).ID.String()

	guard := serve(t, func(o *api.Options) {
		o.Pool, o.Queue, o.Keys = b.pool, b.queue, access.NewKeyring(b.pool, slog.New(slog.DiscardHandler))
	})
	viewer, operator, client := makeToken(t, b, "v", access.Viewer), makeToken(t, b, "o", access.Operator), makeToken(t, b, "c", access.Client)
	group := "?kind=points&signature=" + url.QueryEscape(signature)

	for path, button := range map[string]string{
		"/console/orders/" + id: "Cancel this order", "/console/problems/group" + group: "Dry run",
		"/console/problems/plan" + group + "&act=redrive": "Redrive 1 letter",
		fmt.Sprint("/console/problems/letters/", jobs[0]): "Redrive</button>",
		"/console/queues": "Pause</button>",
	} {
		if page := guard.see(t, 200, path, "Authorization", "Bearer "+viewer); strings.Contains(page, button) || strings.Contains(page, `method="post"`) {
			t.Errorf("a viewer sees %q on %s", button, path)
		}

		wantTexts(t, path, guard.see(t, 200, path, "Authorization", "Bearer "+operator), button, ">o<")

		if r := guard.ask(t, "GET", path, "", "Authorization", "Bearer "+client); r.status != 403 {
			t.Errorf("a client reads %s: %d", path, r.status)
		}

		if r := guard.ask(t, "GET", path, ""); r.status != 401 {
			t.Errorf("anybody reads %s: %d", path, r.status)
		}
	}

	if r := guard.ask(t, "GET", "/console/tokens", "", "Authorization", "Bearer "+viewer); r.status != 403 {
		t.Errorf("a viewer reads the tokens: %d", r.status)
	}

	posts := 0

	for _, route := range api.Routes() {
		path, isPost := strings.CutPrefix(route.Pattern, "POST /console")
		if !isPost {
			continue
		}

		posts++
		path = "/console" + strings.NewReplacer("{id}", id, "{job}", strconv.FormatInt(jobs[0], 10), "{queue}", "points").Replace(path)
		form := url.Values{"form": {exampleID}, "kind": {"points"}, "signature": {signature}, "note": {"x"}, "reason": {"x"}}

		if r := guard.submit(t, path, form, "Authorization", "Bearer "+viewer); r.status != 403 || !strings.Contains(r.body, "role operator") {
			t.Errorf("a viewer sends %s: %d %s", path, r.status, r.body)
		}
	}

	if n := b.count(t, "redrives") + b.count(t, "order_events"); n != 0 || posts < 9 {
		t.Errorf("a viewer changed %d rows by %d forms", n, posts)
	}
}

// The files that pages load are kept by browsers as long as they are those of the page.
func TestConsoleAssets(t *testing.T) {
	t.Parallel()
	b := setup(t)

	for _, address := range regexp.MustCompile(`/console/assets/[^"]+`).FindAllString(b.see(t, 200, "/console"), -1) {
		if r := b.ask(t, "GET", address, ""); r.status != 200 || !strings.Contains(r.header.Get("Cache-Control"), "immutable") || len(r.body) == 0 {
			t.Errorf("%s: %d %v", address, r.status, r.header)
		}
	}

	if r := b.ask(t, "GET", "/console/assets/console.css?v=old", ""); r.status != 200 || strings.Contains(r.header.Get("Cache-Control"), "immutable") || r.header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("%d %v", r.status, r.header)
	}

	wantProblem(t, b.ask(t, "GET", "/console/assets/nothing.js", ""), 404, "not-found")
}
