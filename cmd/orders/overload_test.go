package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"orders/db"
	"orders/db/dbtest"
)

const oneTea = `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`

// Without workers, orders are accepted until their work would wait too long. With
// workers, they are accepted again. All accepted orders settle, and there are no others.
func TestServeRefusesOrdersWhileWorkWaitsTooLong(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	start(t, map[string]string{"DATABASE_URL": url}, "seed").ended()

	patient := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t), "ORDERS_MAX_WAIT": "0"}, "serve").ready()
	p := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t), "ORDERS_MAX_WAIT": "1s"}, "serve").ready()
	accepted := 0

	until := func(want int) {
		t.Helper()

		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			_, status, err := p.place("", oneTea)
			if status == http.StatusCreated {
				accepted++
			}

			if status == want {
				return
			}

			if status != http.StatusCreated && status != http.StatusServiceUnavailable {
				t.Fatalf("%d, %v", status, err)
			}
		}

		t.Fatalf("no %d within a minute", want)
	}

	until(http.StatusServiceUnavailable)

	if accepted < 10 {
		t.Errorf("%d orders were accepted before the first was refused", accepted)
	}

	// When work waits half as long again, no order is accepted, unless the process never refuses.
	time.Sleep(3 * time.Second)

	for range 20 {
		if _, status, err := p.place("", oneTea); status != http.StatusServiceUnavailable {
			t.Fatalf("%d, %v", status, err)
		}
	}

	if _, status, err := patient.place("", oneTea); status != http.StatusCreated {
		t.Errorf("the process that never refuses: %d, %v", status, err)
	}

	accepted++

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/orders", strings.NewReader(oneTea))
	if err != nil {
		t.Fatal(err)
	}

	request.Header.Set("Content-Type", "application/json")

	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q", response.StatusCode, response.Header.Get("Retry-After"))
	}

	start(t, map[string]string{"DATABASE_URL": url}, "work")
	until(http.StatusCreated)
	eventually(t, pool, accepted, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
	eventually(t, pool, accepted, `SELECT count(*) FROM orders`)
}

func TestMaxWaitIsASecondOrMoreOrZero(t *testing.T) {
	t.Parallel()

	for _, wait := range []string{"-1s", "10ms"} {
		p := start(t, map[string]string{"DATABASE_URL": dbtest.URL(t), "ORDERS_LISTEN": address(t), "ORDERS_MAX_WAIT": wait}, "serve")
		if code := p.ended(); code == 0 || !strings.Contains(p.output.String(), "ORDERS_MAX_WAIT: "+wait) {
			t.Errorf("%s: exit code %d: %s", wait, code, p.output)
		}
	}
}
