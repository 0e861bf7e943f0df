package baseline_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"orders/cmd/bench/baseline"
	"orders/db/dbtest"
)

// The textbook serves the same API, settles what it accepted, completes each job in the
// transaction of its effect, and ends when told.
func TestTextbookSettlesOrders(t *testing.T) {
	t.Parallel()

	const orders = 40

	url := dbtest.URL(t)
	pool := stocked(t, url, "1000")
	address := textbookAddress(t)

	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)

	go func() { ended <- baseline.Textbook(ctx, url, address) }()

	awaitStatus(t, "http://"+address+"/readyz", http.StatusOK)

	var clients sync.WaitGroup
	for i := range orders {
		clients.Go(func() { post(t, "http://"+address+"/orders", fmt.Sprintf("key-%d", i)) })
	}

	clients.Wait()
	eventually(t, pool, 3*orders, `SELECT count(*) FROM river_job WHERE state = 'completed'`)

	for sql, want := range map[string]int{
		`SELECT count(*) FROM orders WHERE status = 'confirmed'`:                                                       orders,
		`SELECT count(*) FROM points_entries WHERE kind = 'earn'`:                                                      orders,
		`SELECT count(*) FROM notifications`:                                                                           orders,
		`SELECT count(*) FROM stock_movements WHERE kind = 'deduct'`:                                                   2 * orders,
		`SELECT count(*) FROM idempotency_keys`:                                                                        orders,
		`SELECT count(DISTINCT xmin::text) FROM river_job`:                                                             3 * orders,
		`SELECT count(DISTINCT xmin::text) FROM order_lines`:                                                           orders,
		`SELECT count(*) FROM river_job AS j JOIN notifications AS n ON j.xmin = n.xmin WHERE j.kind = 'notification'`: orders,
		`SELECT count(*) FROM river_job AS j JOIN points_entries AS p ON j.xmin = p.xmin WHERE j.kind = 'points'`:      orders,
		`SELECT count(*) FROM river_job AS j JOIN orders AS o ON j.xmin = o.xmin WHERE j.kind = 'inventory'`:           orders,
	} {
		if got := countRows(t, pool, sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}

	end()

	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func textbookAddress(t *testing.T) string {
	t.Helper()

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	return listener.Addr().String()
}

func post(t *testing.T, url, key string) {
	t.Helper()

	body := `{"user_id":"u-1","lines":[{"sku":"sku-1","quantity":1},{"sku":"sku-2","quantity":2}]}`

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)

		return
	}

	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)

		return
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusCreated {
		t.Errorf("place: %s", response.Status)
	}
}

func awaitStatus(t *testing.T, url string, want int) {
	t.Helper()

	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		response, err := http.Get(url) //nolint:noctx // a test's deadline is above
		if err == nil {
			response.Body.Close()

			if response.StatusCode == want {
				return
			}
		}

		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", url, err)
		}
	}
}
