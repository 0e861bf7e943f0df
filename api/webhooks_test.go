package api_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

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
	} {
		if r := b.ask(t, "POST", "/webhooks", `{"url":"`+url+`"}`); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s", url, r.status, r.body)
		}
	}

	created := b.ask(t, "POST", "/webhooks", `{"url":"https://shop.example/events","types":["order.confirmed"]}`)
	hook := as[webhook.WithSecret](t, created, http.StatusCreated)
	path := "/webhooks/" + hook.ID.String()

	if !strings.Contains(created.body, `"secret":"whsec_`) || hook.State != "active" {
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

	if r := b.ask(t, "POST", path+"/disable", `{"reason":"It moves."}`); !strings.Contains(r.body, `"state":"disabled"`) {
		t.Errorf("disable: %d %s", r.status, r.body)
	}

	if r := b.ask(t, "POST", path+"/test", ""); r.status != http.StatusConflict {
		t.Errorf("a test of a disabled webhook: %d %s", r.status, r.body)
	}

	if r := b.ask(t, "POST", path+"/enable", ""); !strings.Contains(r.body, `"state":"active"`) {
		t.Errorf("enable: %d %s", r.status, r.body)
	}

	if n := dbtest.Count(t, b.pool, `SELECT count(*) FROM river_job WHERE kind = 'deliver_webhook' AND args ->> 'endpoint_id' = $1`, hook.ID.String()); n != 1 {
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
