package api_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/report"
	"orders/db/stats"
)

// The overview shows what wants a person, the last hour in charts, and how long work takes.
func TestConsoleOverview(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 5)
	b.settle(t, b.place(t, "u-1", "tea", 1).ID)

	// The order was placed an hour ago or less, so that its minute has ended.
	b.exec(t, `UPDATE watermarks SET at = '-infinity' WHERE name = 'stats'`)

	if err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		return dbtest.Err(stats.Update(t.Context(), tx, time.Time{}, 72*time.Hour))
	}); err != nil {
		t.Fatal(err)
	}

	page := b.see(t, 200, "/console")
	wantTexts(t, "the overview", page,
		"No living worker works", "critical", "No worker is leader", `href="/console#workers"`,
		`aria-label="Placed: 1 in the last hour, at most 1 in a minute`, `aria-label="Settled: 1 in the last hour`, `aria-label="Refused: 0 in`,
		"Time until done", "5 minutes", "hour", "day", "order settled")

	if columns := strings.Count(page, `<g class="column`); columns != 3*60 {
		t.Errorf("%d columns", columns)
	}
}

// An operator pauses a queue and resumes it, once for each form, and that is recorded.
func TestConsolePausesAQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)

	path := "/console/queues/points/"
	if r := b.submit(t, path+"pause", url.Values{}); r.status != 404 || !strings.Contains(r.body, "start a worker once") {
		t.Errorf("a queue that no worker has worked: %d %s", r.status, r.body)
	}

	b.exec(t, `INSERT INTO river_queue (name, updated_at) VALUES ('points', now())`)

	for range 2 {
		if r := b.submit(t, path+"pause", url.Values{}); r.status != 303 || r.header.Get("Location") != "/console/queues?done=paused" {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}

	wantTexts(t, "the queues", b.see(t, 200, "/console/queues?done=paused"), "The queue is paused", `action="/console/queues/points/resume"`, "since")
	wantTexts(t, "the overview", b.see(t, 200, "/console"), "paused")

	if r := b.submit(t, path+"resume", url.Values{}); r.status != 303 {
		t.Fatalf("%d %s", r.status, r.body)
	}

	wantTexts(t, "the actions", b.see(t, 200, "/console/actions?target=points"), "pause queue", "resume queue", "not known: no token was asked for")

	if n := b.count(t, "operator_actions"); n != 2 {
		t.Errorf("%d actions", n)
	}
}

func TestConsoleShowsStockAndPoints(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 5)
	b.stock(t, "cup", 300, 0)

	placed := b.place(t, "u-1", "tea", 2)
	b.settle(t, placed.ID)

	if r := b.ask(t, "POST", "/products/tea/adjustments", `{"reason":"damaged","quantity":-1,"reference":"incident-4","note":"fell"}`); r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}

	id := placed.ID.String()

	wantTexts(t, "the list", b.see(t, 200, "/console/stock"), `href="/console/stock/tea"`, "12.50 EUR", "in stock", "sold out")
	if r := b.ask(t, "PUT", "/products/tea", `{"name":"Tea","price":1250,"currency":"EUR","low_stock":7}`); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}

	wantTexts(t, "the list with a low product", b.see(t, 200, "/console/stock"), "Low on stock", `low</span>`, "All active products")
	wantTexts(t, "the low product", b.see(t, 200, "/console/stock/tea"), "7</span> low below")
	wantTexts(t, "the product", b.see(t, 200, "/console/stock/tea"), "incident-4", "damaged", "−1", "fell", "+5", id, "−2", "confirmed")
	wantTexts(t, "the list from a sku on", b.see(t, 200, "/console/stock?sku=t"), "tea")

	if page := b.see(t, 200, "/console/stock?sku=d"); strings.Contains(page, "/console/stock/cup") {
		t.Error("the list begins before the sku")
	}

	if r := b.ask(t, "GET", "/console/stock?sku=tea", ""); r.status != 303 || r.header.Get("Location") != "/console/stock/tea" {
		t.Errorf("a sku: %d %v", r.status, r.header)
	}

	wantTexts(t, "the customer", b.see(t, 200, "/console/points?user_id=u-1"), "10</span> points of u-1", "+10", "earned", id, "your order has been created")
	wantTexts(t, "the actions", b.see(t, 200, "/console/actions?action=adjust_stock"), "adjust stock", "/console/stock/tea", "reason: damaged")
}

func TestConsoleShowsAudits(t *testing.T) {
	t.Parallel()
	b := setup(t)

	b.exec(t, `INSERT INTO audit_runs (mode, started_at, finished_at, orders, violations) VALUES ('full', now(), now(), 1234567, 1)`)
	wantTexts(t, "without findings", b.see(t, 200, "/console/audit"), "ok", "1,234,567 orders", "No audit has found a violation")

	b.exec(t, `
		INSERT INTO audit_findings (invariant, subject, detail)
		VALUES ('stock-balance', 'tea', 'available 99, should be 98'), ('steps-done', $1, 'no points'), ('points-balance', 'u-1', 'balance 3')`, exampleID)
	wantTexts(t, "with findings", b.see(t, 200, "/console/audit"), "broken", "available 99, should be 98",
		`href="/console/stock/tea"`, `href="/console/orders/`+exampleID, `href="/console/points?user_id=u-1"`, "received - deducted")
	wantTexts(t, "the overview", b.see(t, 200, "/console"), `href="/console/audit"`)
}

// A token's text is shown once: when it is made, also if the form is sent twice.
func TestConsoleMakesATokenAndRevokesIt(t *testing.T) {
	t.Parallel()
	b := setup(t)

	hidden := regexp.MustCompile(`name="text" value="([^"]+)"`).FindStringSubmatch(b.see(t, 200, "/console/tokens"))
	form := url.Values{"text": {hidden[1]}, "name": {"alice"}, "days": {"30"}}

	if r := b.submit(t, "/console/tokens", form); r.status != 422 || !strings.Contains(r.body, "Choose one role") || !strings.Contains(r.body, `value="alice"`) {
		t.Errorf("without a role: %d %s", r.status, r.body)
	}

	form["role"] = []string{"viewer", "stock"}

	for range 2 {
		r := b.submit(t, "/console/tokens", form)
		if r.status != 200 || !strings.Contains(r.body, hidden[1]) || r.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %v %s", r.status, r.header, r.body)
		}
	}

	if n := b.count(t, "operator_actions WHERE action = 'create_token'"); n != 1 {
		t.Errorf("the form made %d tokens", n)
	}

	page := b.see(t, 200, "/console/tokens")
	wantTexts(t, "the list", page, "alice", "stock, viewer", "active", "by api")

	if strings.Contains(page, hidden[1]) {
		t.Error("the list has the text of the token")
	}

	for name, value := range map[string]string{"days": "0", "name": " ", "text": "guessed"} {
		bad := url.Values{"text": {"orders_ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, "name": {"bob"}, "role": {"viewer"}}
		bad.Set(name, value)

		if r := b.submit(t, "/console/tokens", bad); r.status != 422 {
			t.Errorf("%s %q: %d", name, value, r.status)
		}
	}

	form.Set("text", "orders_ABCDEFGHIJKLMNOPQRSTUVWXYZ")

	if r := b.submit(t, "/console/tokens", form); r.status != 409 || !strings.Contains(r.body, "revoke it first") {
		t.Errorf("a second token of the name: %d %s", r.status, r.body)
	}

	revoke := regexp.MustCompile(`/console/tokens/[0-9a-f]+/revoke`).FindString(page)
	if r := b.submit(t, revoke, url.Values{}); r.status != 303 {
		t.Fatalf("%d %s", r.status, r.body)
	}

	wantTexts(t, "the list", b.see(t, 200, "/console/tokens?done=revoked"), "revoked", "useless within two seconds")

	if r := b.submit(t, revoke, url.Values{}); r.status != 404 {
		t.Errorf("a token that is revoked: %d", r.status)
	}

	wantTexts(t, "the actions", b.see(t, 200, "/console/actions"), "create token", "revoke token", fmt.Sprint("name: ", "alice"))
}

// Each report runs on its page, is narrowed by its form, and leads to its csv.
func TestConsoleRunsReports(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 5)
	b.settle(t, b.place(t, "u-1", "tea", 2).ID)

	list := b.see(t, 200, "/console/reports")

	for _, r := range report.All() {
		wantTexts(t, "the list", list, r.Title, r.Question)
		wantTexts(t, r.Name, b.see(t, 200, "/console/reports/"+r.Name), r.Title)
	}

	wantTexts(t, "a report", b.see(t, 200, "/console/reports/top-customers?since=now-1h"),
		`value="now-1h"`, "/console/points?user_id=u-1", "/reports/top-customers?format=csv&since=now-1h")
	wantTexts(t, "an empty report", b.see(t, 200, "/console/reports/top-customers?since=now-2h&until=now-1h"), "The report has no rows")
	wantTexts(t, "no moment", b.see(t, 422, "/console/reports/top-customers?since=yesterday"), "Status 422")
	wantTexts(t, "no report", b.see(t, 404, "/console/reports/nothing"), "There is no report")

	if r := b.ask(t, "GET", "/reports/top-customers?format=csv&since=now-1h", ""); r.status != 200 || !strings.Contains(r.body, "u-1") {
		t.Errorf("the csv: %d %s", r.status, r.body)
	}
}
