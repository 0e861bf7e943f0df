package main

import (
	"net/http"
	"testing"
	"time"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/schema"
)

// The primary takes no writes any more, and its standby is promoted. Until then the API and
// the worker are not ready; then they are, and work, although the old primary still answers.
func TestProgramsMoveToTheNewPrimary(t *testing.T) {
	t.Parallel()

	first := dbtest.Server(t, nil)
	if err := schema.Up(t.Context(), first.URL("orders")); err != nil {
		t.Fatal(err)
	}

	second := dbtest.Standby(t, first)

	follower, err := db.Open(t.Context(), second.URL("orders"))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(follower.Close)

	settings := map[string]string{
		"DATABASE_URL": dbtest.Either(first, second), "ORDERS_LISTEN": address(t), "ORDERS_WORK_LISTEN": address(t), "ORDERS_LOG_LEVEL": "error",
	}
	api, work := start(t, settings, "serve").ready(), start(t, settings, "work")
	work.url = "http://" + settings["ORDERS_WORK_LISTEN"]
	work.ready()
	api.stock("tea", 1_000)

	tea := `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`
	if _, status, err := api.place("before", tea); status != http.StatusCreated {
		t.Fatal(status, err)
	}

	eventually(t, follower, 1, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)

	old, err := db.Open(t.Context(), first.URL("orders"))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(old.Close)
	alter(t, old, `ALTER SYSTEM SET default_transaction_read_only = on`)
	alter(t, old, `SELECT pg_reload_conf()`)

	api.answers("/readyz", http.StatusServiceUnavailable)
	work.answers("/readyz", http.StatusServiceUnavailable)

	if _, status, err := api.place("during", tea); status != http.StatusServiceUnavailable {
		t.Errorf("placed on a read-only server: %d %v", status, err)
	}

	alter(t, follower, `SELECT pg_promote()`)

	api.answers("/readyz", http.StatusOK)
	work.answers("/readyz", http.StatusOK)

	if _, status, err := api.place("after", tea); status != http.StatusCreated {
		t.Errorf("placed on the new primary: %d %v", status, err)
	}

	eventually(t, follower, 2, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
}

// answers waits until the path is answered with a status.
func (p *process) answers(path string, want int) {
	p.t.Helper()

	status := 0

	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if status = p.send("GET", path, "", nil); status == want {
			return
		}
	}

	p.t.Fatalf("GET %s: %d, want %d", path, status, want)
}
