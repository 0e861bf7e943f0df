package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"orders/api/webhook"
	"orders/db/dbtest"
)

// webhook makes a webhook and a delivery of its, and returns their ids.
func (b *bundle) webhook(t *testing.T) (id, delivery string) {
	t.Helper()

	hook := as[webhook.WithSecret](t, b.ask(t, "POST", "/webhooks", `{"url":"https://shop.example/events"}`), http.StatusCreated)
	sent := as[webhook.Delivery](t, b.ask(t, "POST", "/webhooks/"+hook.ID.String()+"/test", ""), http.StatusOK)

	return hook.ID.String(), strconv.FormatInt(sent.ID, 10)
}

func TestWebhooks(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for url, want := range map[string]string{
		"http://shop.example/":         "https",
		"https://user:word@shop.test/": "without user",
		"https:///events":              "a URL",
		"ftp://shop.example":           "https",
		"https://shop.example/#a":      "fragment",
		"https://shop.example:99999/":  "port",
		"https://shop.example:0":       "port",
		"https://10.1.2.3/events":      "a public address",
		"https://[::1]/":               "a public address",
		"https://localhost:8443/":      "a public address",
	} {
		if r := b.ask(t, "POST", "/webhooks", `{"url":"`+url+`"}`); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s", url, r.status, r.body)
		}
	}

	// A test is no type of events to ask for.
	unknown := b.ask(t, "POST", "/webhooks", `{"url":"https://shop.example/events","types":["endpoint.test"]}`)
	if unknown.status != http.StatusUnprocessableEntity || !strings.Contains(unknown.body, "order.confirmed") {
		t.Errorf("unknown type: %d %s", unknown.status, unknown.body)
	}

	created := b.ask(t, "POST", "/webhooks", `{"url":"https://shop.example/events","types":["order.confirmed","order.confirmed"]}`)
	hook := as[webhook.WithSecret](t, created, http.StatusCreated)
	path := "/webhooks/" + hook.ID.String()

	if !strings.Contains(created.body, `"secret":"whsec_`) || hook.State != "active" || len(hook.Types) != 1 {
		t.Errorf("created: %s", created.body)
	}

	rotated := b.ask(t, "POST", path+"/rotate", "")
	if !strings.Contains(rotated.body, `"secret":"whsec_`) {
		t.Errorf("rotated: %d %s", rotated.status, rotated.body)
	}

	for _, read := range []string{"/webhooks", "/actions", "/deliveries"} {
		if r := b.ask(t, "GET", read, ""); r.status != http.StatusOK || strings.Contains(r.body, "whsec_") {
			t.Errorf("%s: %d %s", read, r.status, r.body)
		}
	}

	if r := b.ask(t, "POST", path+"/disable", `{"reason":"It moves."}`); !strings.Contains(r.body, `"state":"disabled"`) || !strings.Contains(r.body, `"disabled_by":"`) {
		t.Errorf("disable: %d %s", r.status, r.body)
	}

	if r := b.ask(t, "POST", path+"/test", ""); r.status != http.StatusConflict {
		t.Errorf("a test of a disabled webhook: %d %s", r.status, r.body)
	}

	// The job may wait for the end of a pause.
	if _, err := b.pool.Exec(t.Context(), `UPDATE river_job SET state = 'scheduled', scheduled_at = now() + interval '1 hour' WHERE kind = 'deliver_webhook'`); err != nil {
		t.Fatal(err)
	}

	if r := b.ask(t, "POST", path+"/enable", ""); !strings.Contains(r.body, `"state":"active"`) {
		t.Errorf("enable: %d %s", r.status, r.body)
	}

	if n := dbtest.Count(t, b.pool, `SELECT count(*) FROM river_job WHERE kind = 'deliver_webhook' AND state = 'available' AND scheduled_at <= now() AND args ->> 'endpoint_id' = $1`, hook.ID.String()); n != 1 {
		t.Errorf("the webhook has %d jobs", n)
	}

	sent := as[webhook.Delivery](t, b.ask(t, "POST", path+"/test", ""), http.StatusOK)
	list := b.ask(t, "GET", "/deliveries?state=waiting&event_type=endpoint.test&since=now-1h&webhook_id="+hook.ID.String(), "")

	if one := as[webhook.Delivery](t, b.ask(t, "GET", fmt.Sprint("/deliveries/", sent.ID), ""), http.StatusOK); one.OrderID != nil ||
		!strings.Contains(list.body, fmt.Sprintf(`"id":%d`, sent.ID)) {
		t.Errorf("%+v, %s", one, list.body)
	}

	if r := b.ask(t, "POST", fmt.Sprint("/deliveries/", sent.ID, "/redeliver"), ""); r.status != http.StatusOK {
		t.Errorf("redeliver: %d %s", r.status, r.body)
	}

	if n := dbtest.Count(t, b.pool, `SELECT count(*) FROM operator_actions WHERE target_kind IN ('webhook', 'delivery')`); n != 6 {
		t.Errorf("%d actions", n)
	}
}

// An operator makes a webhook in the console, whose secret is shown once, tests it, and sends a delivery again.
func TestConsoleWebhooks(t *testing.T) {
	t.Parallel()

	b := setup(t)
	form := url.Values{"form": {uuid.NewString()}, "url": {"https://shop.example/secret-path"}, "type": {"order.confirmed", "stock.low"}}

	if r := b.submit(t, "/console/webhooks", url.Values{"form": {uuid.NewString()}, "url": {"http://shop.example"}}); r.status != 422 ||
		!strings.Contains(r.body, "expected an https URL") || !strings.Contains(r.body, `value="http://shop.example"`) {
		t.Errorf("a wrong URL: %d %s", r.status, r.body)
	}

	first, second := b.submit(t, "/console/webhooks", form), b.submit(t, "/console/webhooks", form)
	secret := regexp.MustCompile(`whsec_[^<]+`).FindString(first.body)

	if secret == "" || !strings.Contains(second.body, secret) || b.count(t, "endpoints") != 1 {
		t.Fatalf("made by a form that was sent twice: %d webhooks\n%s\n%s", b.count(t, "endpoints"), first.body, second.body)
	}

	page := regexp.MustCompile(`/console/webhooks/[0-9a-f-]{36}`).FindString(first.body)
	act := func(path, done string, fields ...string) {
		t.Helper()

		values := url.Values{}
		for i := 0; i < len(fields); i += 2 {
			values.Set(fields[i], fields[i+1])
		}

		if r := b.submit(t, path, values); r.status != 303 || !strings.HasSuffix(r.header.Get("Location"), "done="+done) {
			t.Fatalf("%s: %d %v %s", path, r.status, r.header, r.body)
		}
	}

	act(page+"/test", "tested")
	b.exec(t, `UPDATE deliveries SET state = 'failed', attempts = 10, next_at = NULL, status = 500, answer = 'no such table'`)
	b.exec(t, `UPDATE endpoints SET failing_since = now(), last_at = now(), last_status = 500, last_answer = 'no'`)

	if text := b.see(t, 200, "/console/webhooks"); strings.Contains(text, "secret-path") || strings.Contains(text, "whsec_") {
		t.Error("the list shows the path of the URL, or the secret")
	}

	wantTexts(t, "the webhooks", b.see(t, 200, "/console/webhooks"), "shop.example", "order.confirmed, stock.low", "failing")
	wantTexts(t, "the webhook", b.see(t, 200, page), "secret-path", "failed", "500", "no such table", "Send test event")

	list := b.see(t, 200, "/console/deliveries?state=failed&webhook="+path.Base(page))
	wantTexts(t, "the deliveries", list, "endpoint.test", "Redeliver", "shop.example")
	wantTexts(t, "the deliveries of others", b.see(t, 200, "/console/deliveries?state=sent"), "There is no such delivery")
	wantTexts(t, "a wrong id", b.see(t, 422, "/console/deliveries?order=x"), "an id is a UUID")

	// An order's page has its deliveries, and the overview leads to an endpoint that its answers have disabled.
	b.stock(t, "tea", 1250, 5)
	placed := b.place(t, "u-1", "tea", 1).ID.String()
	b.exec(t, `INSERT INTO deliveries (endpoint_id, event_seq, event_id, event_type, event_at, order_id, state, attempts, status, answer)
		VALUES ($1, 1, 'x', 'order.created', now(), $2, 'failed', 10, 503, 'out of tea')`, path.Base(page), placed)
	wantTexts(t, "the order", b.see(t, 200, "/console/orders/"+placed), `href="/console/deliveries?order=`+placed, "shop.example", "503", "out of tea", "Redeliver")

	b.exec(t, `UPDATE endpoints SET disabled_at = now(), disabled_reason = 'it answered 410 Gone'`)
	wantTexts(t, "the overview", b.see(t, 200, "/console"), "(shop.example) is disabled", `href="/console/webhooks"`)
	wantTexts(t, "the webhook that is gone", b.see(t, 200, page), "Its answers have disabled it: it answered 410 Gone", page+"/disable", page+"/enable")
	act(page+"/disable", "disabled", "reason", "It is gone for good.")
	wantTexts(t, "the webhook that was given up", b.see(t, 200, page), "api has disabled it: it answered 410 Gone")
	act(page+"/enable", "enabled")

	act(regexp.MustCompile(`/console/deliveries/\d+/redeliver`).FindString(list), "redelivered")
	act(page+"/disable", "disabled", "reason", "It moves.")
	wantTexts(t, "the disabled webhook", b.see(t, 200, page+"?done=disabled"), "nothing is sent until", "It moves.", "Enable")
	act(page+"/enable", "enabled")

	rotated := b.submit(t, page+"/rotate", url.Values{"form": {uuid.NewString()}})
	if found := regexp.MustCompile(`whsec_[^<]+`).FindString(rotated.body); found == "" || found == secret {
		t.Errorf("rotated: %d %s", rotated.status, rotated.body)
	}

	wantTexts(t, "the actions", b.see(t, 200, "/console/actions"), "create webhook", "test webhook", "redeliver", "disable webhook", "enable webhook",
		"rotate webhook", `href="`+page+`"`)
}
