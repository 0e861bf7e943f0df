package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"orders/db"
	"orders/db/dbtest"
)

// canary is in every input of the test below. The places that people and other systems see
// beside the data itself must not have it.
const canary = "kanari7q"

// leaks finds the canary, and the secrets, with a little of what is around each.
func leaks(text string, secrets ...string) (found []string) {
	for _, secret := range append(secrets, canary) {
		for at := 0; ; {
			i := strings.Index(text[at:], secret)
			if i < 0 {
				break
			}

			at += i + len(secret)
			found = append(found, text[max(0, at-100):min(len(text), at+60)])
		}
	}

	return found
}

// A canaryClient sends requests with the canary in every header that a client chooses.
type canaryClient struct {
	t       *testing.T
	process *process
	token   string
}

// send returns the body of the response, which must not have the canary if it is a refusal.
func (c *canaryClient) send(method, path, body string, want int) string {
	c.t.Helper()

	r, err := http.NewRequestWithContext(c.t.Context(), method, c.process.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}

	for name, value := range map[string]string{
		"Authorization": "Bearer " + c.token, "Content-Type": "application/json", "Idempotency-Key": canary + uuid.NewString(),
		"User-Agent": canary, "Cookie": "session=" + canary, "X-Forwarded-User": canary,
		"Referer": "http://127.0.0.1/" + canary, "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"Tracestate": "vendor=" + canary, "Baggage": "who=" + canary,
	} {
		r.Header.Set(name, value)
	}

	response, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}

	if response.StatusCode != want {
		c.t.Errorf("%s %s: %d %s, want %d", method, path, response.StatusCode, text, want)
	}

	if response.StatusCode >= http.StatusBadRequest {
		for _, leak := range leaks(string(text)) {
			c.t.Errorf("the refusal of %s %s has what was sent: %s", method, strings.ReplaceAll(path, canary, "…"), leak)
		}
	}

	return string(text)
}

// Personal data and secrets are where they belong, and nowhere else: not in logs, traces, metrics, jobs, dead letters, actions
// or refusals, whatever fails.
func TestInputsAreInNoLogTraceMetricJobOrRefusal(t *testing.T) {
	t.Parallel()

	const token = canary + "-a-token-of-thirty-two-characters"

	url := dbtest.URL(t)

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	const console, soon = "console", "100" // spans go to stdout within milliseconds

	box, receiver := newMailbox(t), newWebhookReceiver(t)
	settings := map[string]string{
		"OTEL_TRACES_EXPORTER": console, "OTEL_BSP_SCHEDULE_DELAY": soon, "DATABASE_URL": url, "ORDERS_LISTEN": address(t), "ORDERS_INSECURE": "false", "ORDERS_OPERATOR_TOKEN": token,
		"ORDERS_LOG_LEVEL": "debug", "ORDERS_ATTEMPTS": "2", "ORDERS_WEBHOOK_ALLOW_PRIVATE": "true",
	}
	serve := start(t, settings, "serve").ready()
	work := start(t, map[string]string{
		"OTEL_TRACES_EXPORTER": console, "OTEL_BSP_SCHEDULE_DELAY": soon, "DATABASE_URL": url, "ORDERS_LOG_LEVEL": "debug", "ORDERS_ATTEMPTS": "2",
		"ORDERS_WEBHOOK_ALLOW_PRIVATE": "true", "SMTP_URL": "smtp://user:" + canary + "@" + box.address + "?tls=none", "ORDERS_MAIL_FROM": "orders@" + mailDomain,
	}, "work")
	c := &canaryClient{t: t, process: serve, token: token}

	body := func(sku, more string) string {
		return fmt.Sprintf(`{"user_id":"%[1]s-user","lines":[{"sku":"%[2]s","quantity":1}],"email":"%[1]s@example.com","note":"%[1]s note","metadata":{"%[1]s":"%[1]s"},`+
			`"reference":"%[1]s %[3]s"%[4]s}`, canary, sku, uuid.NewString(), more)
	}
	id := func(text string) string {
		_, rest, _ := strings.Cut(text, `"id":"`)

		return rest[:min(36, len(rest))]
	}

	// Where news is sent to: a webhook that takes it, one that is down, and customers.
	hook := id(c.send(http.MethodPost, "/webhooks", `{"url":"`+receiver.URL+`/`+canary+`?token=`+canary+`"}`, http.StatusCreated))
	down := id(c.send(http.MethodPost, "/webhooks", `{"url":"http://`+address(t)+`/`+canary+`"}`, http.StatusCreated))
	c.send(http.MethodPost, "/webhooks", `{"url":"ftp://`+canary+`"}`, http.StatusUnprocessableEntity)
	c.send(http.MethodPost, "/webhooks/"+hook+"/rotate", "", http.StatusOK)
	eventually(t, pool, 1, `SELECT count(*) FROM endpoints WHERE kind = 'mail'`)

	// What is accepted.
	c.send(http.MethodPut, "/products/tea", `{"name":"`+canary+` tea","price":100,"currency":"EUR"}`, http.StatusCreated)
	c.send(http.MethodPost, "/products/tea/receipts", `{"reference":"`+canary+`","quantity":10}`, http.StatusCreated)
	c.send(http.MethodPost, "/products/tea/adjustments", `{"reason":"lost","quantity":-1,"reference":"`+canary+`-2","note":"`+canary+`"}`, http.StatusCreated)

	alter(t, pool, `ALTER TABLE points_entries RENAME TO points_entries_gone`)

	kept := id(c.send(http.MethodPost, "/orders", body("tea", ""), http.StatusCreated))
	held := id(c.send(http.MethodPost, "/orders", body("tea", `,"hold_seconds":3600`), http.StatusCreated))

	// What fails: a step, its dead letter, and what operators do about it.
	eventually(t, pool, 1, `SELECT count(*) FROM dead_letters WHERE kind = 'points'`)
	c.send(http.MethodPost, "/orders", body("tea", ""), http.StatusCreated)
	alter(t, pool, `ALTER TABLE points_entries_gone RENAME TO points_entries`)
	c.send(http.MethodPost, "/orders", strings.Replace(body("tea", ""), "@example", "-"+nobody+"@example", 1), http.StatusCreated)

	letter := dbtest.Count(t, pool, `SELECT min(job_id)::int FROM dead_letters`)
	c.send(http.MethodPost, fmt.Sprintf("/dead-letters/%d/resolve", letter), `{"reason":"`+canary+` because"}`, http.StatusOK)
	c.send(http.MethodPost, "/orders/"+held+"/payment", `{"reference":"`+canary+`","amount":1,"currency":"EUR"}`, http.StatusUnprocessableEntity)
	c.send(http.MethodPost, "/orders/"+held+"/payment", `{"reference":"`+canary+`"}`, http.StatusOK)
	c.send(http.MethodPost, "/orders/"+kept+"/cancel", `{"reason":"`+canary+` because"}`, http.StatusOK)

	// What is refused.
	for _, refused := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodPost, "/orders", `{"user_id":"` + canary, http.StatusBadRequest},
		{http.MethodPost, "/orders", `"` + canary + `"`, http.StatusUnprocessableEntity},
		{http.MethodPost, "/orders", `{"user_id":"` + canary + ` \n","lines":[],"note":7,"reference":""}`, http.StatusUnprocessableEntity},
		{http.MethodPost, "/orders", body("tea", `,"hold_seconds":"`+canary+`"`), http.StatusUnprocessableEntity},
		{http.MethodPost, "/orders", `{"user_id":"u","lines":[{"sku":"tea","quantity":1}],"email":"` + canary + ` at example.com"}`, http.StatusUnprocessableEntity},
		{http.MethodPost, "/orders", `{"user_id":"u","lines":[{"sku":"tea","quantity":1}],"locale":"` + canary + `"}`, http.StatusUnprocessableEntity},
		{http.MethodGet, "/orders?user_id=" + canary + "%00", "", http.StatusUnprocessableEntity},
		{http.MethodGet, "/orders?cursor=" + canary, "", http.StatusUnprocessableEntity},
		{http.MethodGet, "/orders/" + canary, "", http.StatusUnprocessableEntity},
		{http.MethodGet, "/orders?unknown=" + canary, "", http.StatusUnprocessableEntity},
		{http.MethodGet, "/actions?since=" + canary, "", http.StatusUnprocessableEntity},
		{http.MethodGet, "/" + canary, "", http.StatusNotFound},
		{http.MethodDelete, "/orders", canary, http.StatusMethodNotAllowed},
	} {
		c.send(refused.method, refused.path, refused.body, refused.want)
	}

	c.token = "another " + canary
	c.send(http.MethodGet, "/orders", "", http.StatusUnauthorized)

	// What arrives, what does not, and what operators do about it.
	for _, sql := range []string{
		`SELECT (count(*) > 0)::int FROM deliveries WHERE state = 'sent' AND provider_id <> ''`,
		`SELECT (count(*) > 0)::int FROM deliveries WHERE state = 'failed' AND status = 550 AND answer LIKE '%unknown here%'`,
		`SELECT (count(*) > 0)::int FROM deliveries WHERE state = 'sent' AND endpoint_id = '` + hook + `'`,
		`SELECT (count(*) > 0)::int FROM deliveries WHERE state = 'waiting' AND answer LIKE '%refused%' AND endpoint_id = '` + down + `'`,
	} {
		eventually(t, pool, 1, sql)
	}

	c.token = token
	c.send(http.MethodPost, "/webhooks/"+hook+"/test", "", http.StatusOK)
	c.send(http.MethodPost, fmt.Sprintf("/deliveries/%d/redeliver", dbtest.Count(t, pool, `SELECT max(id)::int FROM deliveries`)), "", http.StatusOK)
	c.send(http.MethodPost, "/webhooks/"+down+"/disable", `{"reason":"`+canary+` because"}`, http.StatusOK)

	var secrets []string
	if err := pool.QueryRow(t.Context(), `
		SELECT array_agg(substr(s, 7, 20))
		FROM endpoints, unnest(ARRAY[secret, previous_secret]) AS s
		WHERE kind = 'webhook' AND s IS NOT NULL`).Scan(&secrets); err != nil || len(secrets) != 3 {
		t.Fatalf("%d secrets, %v", len(secrets), err)
	}

	if list := c.send(http.MethodGet, "/webhooks", "", http.StatusOK) + c.send(http.MethodGet, "/deliveries", "", http.StatusOK); !strings.Contains(list, hook) ||
		slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(list, s) }) {
		t.Errorf("the lists have a secret, or no webhook: %s", list)
	}

	// Where the canary may be: the order itself, and what its customer reads. It is nowhere else.
	for name, sql := range map[string]string{
		"jobs":         `SELECT coalesce(string_agg(river_job::text, E'\n'), '') FROM river_job`,
		"dead letters": `SELECT coalesce(string_agg((to_jsonb(l) - 'note')::text, E'\n'), '') FROM dead_letters AS l`,
		"failures":     `SELECT coalesce(string_agg(f::text, E'\n'), '') FROM job_failures AS f`,
		"actions":      `SELECT coalesce(string_agg((to_jsonb(a) #- '{detail,reference}')::text, E'\n'), '') FROM operator_actions AS a`,
		"events":       `SELECT coalesce(string_agg(e::text, E'\n'), '') FROM events AS e`,
		"deliveries":   `SELECT coalesce(string_agg(d::text, E'\n'), '') FROM deliveries AS d`,
		"last answers": `SELECT coalesce(string_agg(last_answer, E'\n'), '') FROM endpoints`,
	} {
		var text string
		if err := pool.QueryRow(t.Context(), sql).Scan(&text); err != nil {
			t.Fatal(err)
		}

		if text == "" && name != "failures" {
			t.Errorf("there are no %s", name)
		}

		for _, leak := range leaks(text, secrets...) {
			t.Errorf("%s have what was sent: %s", name, leak)
		}
	}

	if _, metrics := getMetrics(t, serve.url, token); len(metrics) == 0 || len(leaks(metrics, secrets...)) != 0 {
		t.Errorf("metrics are missing, or have what was sent: %s", leaks(metrics, secrets...))
	}

	serve.logs("msg=request", "trace_id=0af7651916cd43dd8448eb211c80319c")
	work.logs(`msg="attempt failed"`, "trace_id=0af7651916cd43dd8448eb211c80319c")

	for p, spans := range map[*process][]string{
		serve: {"POST /orders", "batch place", "river.insert_many", "INSERT INTO orders"},
		work:  {"river.work/points", "batch points", "INSERT INTO points_entries"},
	} {
		for _, span := range spans {
			p.logs(span)
		}

		if !strings.Contains(p.output.String(), "level=DEBUG") && p == serve {
			t.Error("serve does not log at level debug")
		}

		for _, leak := range leaks(p.output.String(), secrets...) {
			t.Errorf("the log of %v has what was sent: %s", p.cmd.Args[1:], leak)
		}
	}
}
