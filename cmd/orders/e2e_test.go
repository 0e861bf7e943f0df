package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// 32 clients place 1,000 orders, and repeat each request under the same key until it
// has a response, while the whole program is killed three times. Afterwards every
// accepted order is there once and settled exactly: the demo catalogue has just as
// many mugs.
func TestNothingIsLostByKillingIt(t *testing.T) {
	t.Parallel()

	const orders, clients = 1_000, 32

	settings := devSettings(t)
	first := start(t, settings, "dev").ready()
	current := first // its successors use the same address

	var (
		work     = make(chan int)
		accepted atomic.Int64
		senders  sync.WaitGroup
		mu       sync.Mutex
		ids      = map[string]string{} // order by key, as the responses said
	)

	for range clients {
		senders.Go(func() {
			for n := range work {
				key := fmt.Sprint("key-", n)
				id := insist(first, key, fmt.Sprintf(`{"user_id":"u-%d","lines":[{"sku":"tea","quantity":%d},{"sku":"mug","quantity":1}]}`, n%50, n%3+1))

				mu.Lock()

				if earlier, known := ids[key]; known && earlier != id {
					t.Errorf("%s is order %s and order %s", key, earlier, id)
				}

				ids[key] = id
				mu.Unlock()
				accepted.Add(1)
			}
		})
	}

	go func() {
		for n := range orders {
			work <- n

			if n%7 == 0 { // a client that has not received the response repeats the request
				work <- n
			}
		}

		close(work)
	}()

	for _, at := range []int64{150, 450, 800} {
		for accepted.Load() < at+rand.Int64N(50) {
			time.Sleep(time.Millisecond)
		}

		current.kill()
		current = start(t, settings, "dev").ready()
	}

	senders.Wait()

	pool := devPool(t, settings)
	eventually(t, pool, 0, `SELECT count(*) FROM river_job WHERE state NOT IN ('completed', 'cancelled') AND queue <> 'maintenance'`)
	eventually(t, pool, 0, `SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL`) // a job that ran alone at a kill is redriven

	for sql, want := range map[string]int{
		`SELECT count(*) FROM orders`:                             orders,
		`SELECT count(*) FROM orders WHERE status = 'confirmed'`:  orders,
		`SELECT count(*) FROM order_lines`:                        2 * orders,
		`SELECT count(*) FROM idempotency_keys`:                   orders,
		`SELECT count(*) FROM stock_movements`:                    2 * orders,
		`SELECT count(*) FROM points_entries`:                     orders,
		`SELECT count(*) FROM points_entries WHERE points <> 10`:  0,
		`SELECT sum(balance)::int FROM points_balances`:           10 * orders,
		`SELECT count(*) FROM notifications`:                      orders,
		`SELECT count(DISTINCT order_id)::int FROM notifications`: orders,
		`SELECT count(*) FROM order_lines AS l JOIN stock_movements AS m USING (order_id, sku, quantity) WHERE m.kind = 'deduct'`: 2 * orders,
		`SELECT count(*) FROM products AS p WHERE available <>
			(SELECT sum(quantity) FROM stock_receipts AS r WHERE r.sku = p.sku)
			- (SELECT coalesce(sum(quantity), 0) FROM stock_movements AS m WHERE m.sku = p.sku)`: 0,
	} {
		var got int
		if err := pool.QueryRow(t.Context(), sql).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %d, want %d (%v)", sql, got, want, err)
		}
	}

	for key, id := range ids {
		var found string
		if err := pool.QueryRow(t.Context(), `SELECT order_id FROM idempotency_keys WHERE key = $1`, key).Scan(&found); err != nil || found != id {
			t.Errorf("the response to %s says order %s, the database has %s (%v)", key, id, found, err)
		}
	}

	pool.Close()

	if code := current.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// insist repeats a request until it has a response.
func insist(p *process, key, body string) string {
	for {
		if o, status, err := p.place(key, body); err == nil && status == http.StatusCreated {
			return o.ID
		} else if err == nil && status < http.StatusInternalServerError {
			p.t.Errorf("%s: %d", key, status)

			return ""
		}

		time.Sleep(10 * time.Millisecond)
	}
}
