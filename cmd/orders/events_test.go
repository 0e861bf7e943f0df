package main

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"orders/db/dbtest"
)

// stream opens an order's events and reads the first line.
func (p *process) stream(id string) (rest io.Reader) {
	p.t.Helper()

	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/orders/"+id+"/events", http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}

	response, err := http.DefaultClient.Do(request) // not our client: its timeout would end the stream
	if err != nil {
		p.t.Fatal(err)
	}

	p.t.Cleanup(func() { response.Body.Close() })

	body := bufio.NewReader(response.Body)

	if line, err := body.ReadString('\n'); response.StatusCode != http.StatusOK || line != "retry: 1000\n" {
		p.t.Fatalf("%d %q %v", response.StatusCode, line, err)
	}

	return body
}

// The API is notified of what a worker in another process does to an order that it streams.
func TestEventsOfAnOrderThatAnotherProcessWorks(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	start(t, map[string]string{"DATABASE_URL": url}, "seed").ended()
	serving := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t)}, "serve").ready()

	o, status, err := serving.place("", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`)
	if status != http.StatusCreated {
		t.Fatal(status, err)
	}

	stream := serving.stream(o.ID)
	working := start(t, map[string]string{"DATABASE_URL": url}, "work")

	text, err := io.ReadAll(stream)
	if err != nil || !strings.HasSuffix(string(text), "event: settled\ndata: {\"status\":\"confirmed\"}\n\n") {
		t.Errorf("stream %q, %v", text, err)
	}

	working.stop(syscall.SIGTERM)
}

// Draining waits for requests but not for streams, which last for minutes.
func TestServeEndsItsStreams(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	start(t, map[string]string{"DATABASE_URL": url}, "seed").ended()
	serving := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t)}, "serve").ready()

	o, status, err := serving.place("", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`)
	if status != http.StatusCreated {
		t.Fatal(status, err)
	}

	stream := serving.stream(o.ID)
	began := time.Now()

	if code := serving.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}

	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to end", took)
	}

	if text, err := io.ReadAll(stream); err != nil || strings.Contains(string(text), "settled") {
		t.Errorf("stream %q, %v", text, err)
	}
}
