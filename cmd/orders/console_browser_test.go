//go:build browser

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// An operator sees an order settle, and mends what a broken step has left behind. A viewer sees
// the same pages, and can change nothing.
func TestBrowserConsole(t *testing.T) {
	t.Parallel()

	settings := devSettings(t)
	settings["ORDERS_ATTEMPTS"] = "1"
	p := start(t, settings, "dev").ready()
	b := startBrowser(t).tab(p.url)

	order := settleLive(b, p)
	broken := redriveInBrowser(b, p, settings)
	hook := testWebhook(b)

	pages := []string{ //nolint:prealloc // append makes a copy
		"/console", "/console/orders", "/console/orders/" + order, "/console/orders/" + broken, "/console/problems", "/console/queues",
		"/console/stock", "/console/stock/tea", "/console/points?user_id=u-1", "/console/audit", "/console/reports",
		"/console/reports/throughput-by-minute", "/console/actions", "/console/search?q=u-1",
		"/console/webhooks", "/console/webhooks/" + hook, "/console/deliveries",
	}

	fitPhones(b, append(pages, "/console/tokens"))
	useKeyboard(b)
	b.sound()
	viewInBrowser(t, settings, b.browser, pages, order)
}

// settleLive places an order while a queue is paused, and resumes the queue in another tab. The
// page of the order shows that it settles, and is not loaded again.
func settleLive(b *tab, p *process) (id string) {
	b.t.Helper()

	b.open("/console/queues")
	b.click(`button[aria-label="Pause points"]`)
	b.shows("The queue is paused")

	placed, status, err := p.place("", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":2}]}`)
	if status != 201 {
		b.t.Fatal(status, err)
	}

	b.open("/console/orders/" + placed.ID)
	b.shows("has been paused since")
	b.is(`window.kept = true`)

	other := b.tab(b.url)
	other.open("/console/queues")
	other.click(`button[aria-label="Resume points"]`)
	other.shows("The queue is resumed")

	b.shows("all its work is done")

	b.is(`window.kept === true`)

	return placed.ID
}

// redriveInBrowser breaks a step, finds the problem, mends the step, and redrives what it has left.
func redriveInBrowser(b *tab, p *process, settings map[string]string) (id string) {
	b.t.Helper()

	pool := devPool(b.t, settings)
	exec := func(sql string) {
		b.t.Helper()

		if _, err := pool.Exec(b.t.Context(), sql); err != nil {
			b.t.Fatal(err)
		}
	}

	exec(`ALTER TABLE points_entries ADD CONSTRAINT broken CHECK (user_id <> 'u-2') NOT VALID`)

	placed, status, err := p.place("", `{"user_id":"u-2","lines":[{"sku":"tea","quantity":1}]}`)
	if status != 201 {
		b.t.Fatal(status, err)
	}

	b.open("/console/problems")
	b.shows("1 open dead letters of 1 cause")
	b.click(`td.cause a`)
	b.shows("Customers affected")
	b.shows("u-2")

	exec(`ALTER TABLE points_entries DROP CONSTRAINT broken`)

	b.is(`document.querySelector("[aria-labelledby=redrive-title] input[name=note]").value = "the constraint is dropped", true`)
	b.click(`[aria-labelledby="redrive-title"] button`)
	b.shows("Nothing was changed")
	b.click(`button.main`)
	b.shows("All 1 new jobs are done")
	b.shows("the constraint is dropped")

	b.open("/console/orders/" + placed.ID)
	b.shows("all its work is done")

	return placed.ID
}

// testWebhook makes a webhook to a server that refuses at first, and sends a test event, which arrives later.
func testWebhook(b *tab) (id string) {
	b.t.Helper()

	var up atomic.Bool

	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			http.Error(w, "a-table-is-missing", http.StatusInternalServerError)
		}
	}))
	b.t.Cleanup(receiver.Close)

	b.open("/console/webhooks")
	b.is(fmt.Sprintf(`document.querySelector("input[name=url]").value = %q, true`, receiver.URL+"/"+strings.Repeat("long", 40)))
	b.click("button.main")
	b.shows("This text is shown only now")
	b.is(`document.querySelector("pre.secret").innerText.startsWith("whsec_")`)
	b.click(`main p:last-child a`)
	b.shows("Nothing has been sent yet")
	b.click("button.main")
	b.shows("a-table-is-missing")
	up.Store(true)

	value, err := b.run(`location.pathname.split("/").pop()`)
	if err != nil {
		b.t.Fatal(err)
	}

	b.click(`#newest button[aria-label^="Redeliver"]`) // before the five seconds until the next attempt, or afterwards
	b.shows("The event is sent again, with the same id")
	b.is(`document.querySelector("#deliveries tbody .pill").innerText === "sent"`)

	id, _ = value.(string)

	return id
}

// fitPhones checks that no page is wider than a phone.
func fitPhones(b *tab, pages []string) {
	b.t.Helper()

	const width, height = 360, 740

	b.size(width, height)

	for _, path := range pages {
		b.open(path)

		if value, err := b.run(`document.documentElement.scrollWidth`); err != nil || value.(float64) > width {
			b.t.Errorf("%s is %v wide on a phone, %v", path, value, err)
		}
	}

	b.size(1280, 800)
}

// useKeyboard skips to the content by Tab and Enter, and searches by a slash.
func useKeyboard(b *tab) {
	b.t.Helper()

	b.open("/console")
	b.key("Tab", "")
	b.is(`document.activeElement.matches("a.skip")`)
	b.key("Enter", "\r")
	b.is(`location.hash === "#main"`)
	b.key("/", "/")
	b.is(`document.activeElement.id === "search"`)

	for _, letter := range "u-2" {
		b.key(string(letter), string(letter))
	}

	b.key("Enter", "\r")
	b.shows("Orders of customer u-2")
}

// viewInBrowser logs in with the token of a viewer, and opens the pages.
func viewInBrowser(t *testing.T, settings map[string]string, b *browser, pages []string, order string) {
	t.Helper()

	url := devPool(t, settings).Config().ConnString()

	code, text, errs := inProcess(t, url, "token", "create", "--name", "vera", "--role", "viewer")
	if code != exitOK {
		t.Fatal(code, errs)
	}

	p := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t), "ORDERS_INSECURE": "false"}, "serve").ready()
	v := b.tab(p.url)

	v.command("Page.navigate", map[string]any{"url": p.url + "/console/queues"})
	v.is(`location.pathname === "/login"`)
	v.is(fmt.Sprintf(`document.querySelector("#token").value = %q, true`, strings.TrimSpace(text)))
	v.click("button")
	v.is(`location.pathname === "/console/queues"`)

	for _, path := range pages {
		v.open(path)
		v.is(`document.querySelector(".who").innerText.includes("vera")`)

		if value, err := v.run(`document.querySelectorAll("main form[method=post]").length`); err != nil || value != float64(0) {
			t.Errorf("%s has %v forms for a viewer, %v", path, value, err)
		}
	}

	for _, path := range []string{"/console/queues/points/pause", "/console/orders/" + order + "/cancel", "/console/tokens", "/orders/" + order + "/cancel"} {
		v.is(fmt.Sprintf(`fetch(%q, { method: "POST", body: new URLSearchParams({ reason: "x" }) }).then((r) => r.status === 403)`, path))
	}
}
