package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"orders/api"
	"orders/order/flow"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for sent, kept := range map[string]bool{
		"abc-123": true, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "a b": false, "ü": false, "": false,
	} {
		r := b.ask(t, "GET", "/healthz", "", "X-Request-Id", sent)
		if got := r.requestID(); got == "" || (got == sent) != kept {
			t.Errorf("sent %q, got %q", sent, got)
		}
	}

	if a, c := b.ask(t, "GET", "/healthz", ""), b.ask(t, "GET", "/healthz", ""); a.requestID() == c.requestID() {
		t.Error("two requests have one id")
	}
}

func TestLogLineOfARequest(t *testing.T) {
	t.Parallel()
	b := serve(t)

	r := b.ask(t, "POST", "/orders?secret=query", placeBody("secret-user", "tea", 1), "X-Request-Id", "r-1")
	wantProblem(t, r, 422, "invalid-request")

	line := b.log.line(t, "request")
	for field, want := range map[string]any{
		"level": "INFO", "method": "POST", "route": "POST /orders", "status": 422.0, "request_id": "r-1",
		"problem": "invalid-request", "bytes": float64(len(r.body)),
	} {
		if line[field] != want {
			t.Errorf("%s = %v, want %v", field, line[field], want)
		}
	}

	if line["remote"] == "" || line["duration"] == nil {
		t.Errorf("line = %v", line)
	}

	b.ask(t, "GET", "/users/secret-user/points?limit=0", "")

	if line := b.log.line(t, "request"); line["route"] != "GET /users/{id}/points" {
		t.Errorf("route = %v", line["route"])
	}

	if strings.Contains(b.log.String(), "secret") {
		t.Errorf("the log has personal data: %s", b.log)
	}

	b.ask(t, "GET", "/nothing", "")

	if line := b.log.line(t, "request"); line["route"] != "none" || line["status"] != 404.0 {
		t.Errorf("line = %v", line)
	}

	b.ask(t, "GET", "/healthz", "")

	if line := b.log.line(t, "request"); line["level"] != "DEBUG" {
		t.Errorf("a probe is logged as %v", line["level"])
	}
}

func TestClientWhoLeavesIsNoError(t *testing.T) {
	t.Parallel()

	entered := make(chan struct{})
	b := serve(t, func(o *api.Options) {
		o.Place = func(ctx context.Context, _ flow.Placement) (flow.Placed, error) {
			close(entered)
			<-ctx.Done()

			return flow.Placed{}, ctx.Err()
		}
	})

	ctx, leave := context.WithCancel(t.Context())

	go func() {
		<-entered
		leave()
	}()

	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/orders", strings.NewReader(placeBody("u", "tea", 1)))
	if err != nil {
		t.Fatal(err)
	}

	if response, err := http.DefaultClient.Do(r); err == nil {
		response.Body.Close()
		t.Fatal("the client did not leave")
	}

	for b.log.line(t, "request") == nil {
		time.Sleep(10 * time.Millisecond)
	}

	if line := b.log.line(t, "request"); line["status"] != 499.0 || line["level"] != "INFO" {
		t.Errorf("line = %v", line)
	}

	if text := b.log.String(); strings.Contains(text, "WARN") || strings.Contains(text, "ERROR") {
		t.Errorf("log = %s", text)
	}
}

func TestOtherSitesMayNotChangeAnything(t *testing.T) {
	t.Parallel()

	b := serve(t, func(o *api.Options) {
		o.RiverUI = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ui") })
	})

	for _, path := range []string{"/orders", "/riverui/api/jobs/cancel"} {
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
			wantProblem(t, b.ask(t, "POST", path, placeBody("u", "tea", 1), headers...), 403, "cross-origin")
		}
	}

	if r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Sec-Fetch-Site", "same-origin"); r.status != 201 {
		t.Errorf("our own page: %d %s", r.status, r.body)
	}

	if r := b.ask(t, "GET", "/healthz", "", "Sec-Fetch-Site", "cross-site"); r.status != 200 {
		t.Errorf("a link from another site: %d", r.status)
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for _, path := range []string{"/healthz", "/orders?limit=0", "/nothing", "/openapi.json"} {
		h := b.ask(t, "GET", path, "").header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// Server-sent events need it.
func TestAnswersCanBeStreamed(t *testing.T) {
	t.Parallel()

	proceed := make(chan struct{})
	b := serve(t, func(o *api.Options) {
		o.RiverUI = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			control := http.NewResponseController(w)

			fmt.Fprintln(w, "first")

			if err := control.Flush(); err != nil {
				t.Error(err)
			}

			if err := control.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}

			<-proceed
			fmt.Fprintln(w, "second")
		})
	})

	answer := b.open(t, "/riverui/")

	lines := bufio.NewScanner(answer)
	if !lines.Scan() || lines.Text() != "first" {
		t.Errorf("read %q", lines.Text())
	}

	close(proceed)

	if !lines.Scan() || lines.Text() != "second" {
		t.Errorf("read %q", lines.Text())
	}
}
