package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
)

// system is an API and two workers, as processes, on a database of their own. A
// step's job is dead after two attempts, and repairs run every second.
func system(t *testing.T) (api *process, pool *pgxpool.Pool, url string) {
	t.Helper()

	url = dbtest.URL(t)

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	settings := func() map[string]string {
		return map[string]string{
			"DATABASE_URL": url, "ORDERS_LISTEN": address(t), "ORDERS_ATTEMPTS": "2", "ORDERS_COMPENSATE_EVERY": "1s", "ORDERS_LOG_LEVEL": "warn",
		}
	}

	api = start(t, settings(), "serve")
	start(t, settings(), "work")
	start(t, settings(), "work")

	return api.ready(), pool, url
}

// send sends a request with a JSON body, and decodes the response into out.
func (p *process) send(method, path, body string, out any) int {
	p.t.Helper()

	request, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}

	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}

	response, err := client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()

	data, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}

	if out != nil && response.StatusCode < http.StatusBadRequest {
		if err := json.Unmarshal(data, out); err != nil {
			p.t.Fatalf("%s %s: %v: %s", method, path, err, data)
		}
	}

	return response.StatusCode
}

// stock adds a product with stock.
func (p *process) stock(sku string, quantity int) {
	p.t.Helper()

	if status := p.send("PUT", "/products/"+sku, `{"name":"x","price":100,"currency":"EUR"}`, nil); status != http.StatusCreated {
		p.t.Fatal(status)
	}

	body := fmt.Sprintf(`{"quantity":%d,"reference":"first"}`, quantity)
	if status := p.send("POST", "/products/"+sku+"/receipts", body, nil); status != http.StatusCreated {
		p.t.Fatal(status)
	}
}

// audited checks the invariants with the program's own audit.
func audited(t *testing.T, url string) {
	t.Helper()

	if p := start(t, map[string]string{"DATABASE_URL": url}, "audit", "--grace", "0s"); p.ended() != exitOK {
		t.Errorf("the audit: %s", p.output)
	}
}

type letterGroups struct {
	Groups []struct {
		Kind, Signature string
		Count           int
		Samples         []int64
	}
}

// The table of points fails under load. The orders stand, their dead letters are one
// group, and they need an operator's attention. Once repaired and redriven, everything
// settles.
func TestPointsBreakAndAreRepaired(t *testing.T) {
	t.Parallel()

	const orders = 60

	api, pool, url := system(t)
	api.stock("tea", 10_000)
	alter(t, pool, `ALTER TABLE points_entries RENAME TO points_entries_gone`)
	placeMany(t, api, orders)

	eventually(t, pool, orders, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
	eventually(t, pool, orders, `SELECT count(*) FROM dead_letters WHERE kind = 'points' AND resolved_at IS NULL AND attention_at IS NOT NULL`)
	alter(t, pool, `ALTER TABLE points_entries_gone RENAME TO points_entries`)

	var groups letterGroups
	if api.send("GET", "/dead-letters/groups", "", &groups); len(groups.Groups) != 1 || groups.Groups[0].Count != orders {
		t.Fatalf("groups %+v, want one of %d", groups, orders)
	}

	var list struct {
		Orders []struct {
			Status    string
			Attention bool
			Steps     []struct{ Name, State string }
		}
	}

	api.send("GET", "/orders?limit=200", "", &list)

	for _, o := range list.Orders {
		if o.Status != "confirmed" || !o.Attention || o.Steps[1].State != "dead" {
			t.Fatalf("order %+v, want it confirmed and in need of attention", o)
		}
	}

	redrive := func(dryRun bool) map[string]int {
		var response struct{ Outcomes map[string]int }

		body := fmt.Sprintf(`{"kind":"points","signature":%q,"dry_run":%t,"limit":1000}`, groups.Groups[0].Signature, dryRun)
		if status := api.send("POST", "/dead-letters/redrive", body, &response); status != http.StatusOK {
			t.Fatalf("redrive: %d", status)
		}

		return response.Outcomes
	}

	if got := redrive(true); got["eligible"] != orders {
		t.Errorf("dry run: %v", got)
	}

	if got := redrive(false); got["redriven"] != orders {
		t.Errorf("redrive: %v", got)
	}

	eventually(t, pool, orders*10, `SELECT coalesce(sum(balance), 0)::int FROM points_balances`)
	eventually(t, pool, 0, `SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL`)
	audited(t, url)
}

// The table of stock fails under load: the orders fail and net to zero.
func TestInventoryBreaksAndOrdersFail(t *testing.T) {
	t.Parallel()

	const orders = 40

	api, pool, url := system(t)
	api.stock("tea", 10_000)
	placeMany(t, api, orders)
	eventually(t, pool, orders, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)

	alter(t, pool, `ALTER TABLE stock_movements RENAME TO stock_movements_gone`)
	placeMany(t, api, orders)
	eventually(t, pool, orders, `SELECT count(*) FROM dead_letters WHERE kind = 'inventory' AND resolved_at IS NULL`)
	alter(t, pool, `ALTER TABLE stock_movements_gone RENAME TO stock_movements`)
	// A letter for which three sweeps have failed is an operator's: a slow machine may have had as many.
	alter(t, pool, `UPDATE dead_letters SET attention_at = NULL, sweep_failures = 0 WHERE resolved_at IS NULL`)

	eventually(t, pool, orders, `SELECT count(*) FROM orders WHERE status = 'failed'`)
	eventually(t, pool, 0, `SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL`)
	eventually(t, pool, 10_000-orders, `SELECT available FROM products`)
	eventually(t, pool, 10*orders, `SELECT sum(balance)::int FROM points_balances`)
	eventually(t, pool, orders, `SELECT count(*) FROM notifications WHERE template = 'failed'`)
	audited(t, url)
}

// 500 orders compete for 100 items, and half of them are cancelled at random moments.
func TestARaceForStockWithCancellations(t *testing.T) {
	t.Parallel()

	const orders, items = 500, 100

	api, pool, url := system(t)
	api.stock("tea", items)

	var clients sync.WaitGroup

	work := make(chan int)

	for range 32 {
		clients.Go(func() {
			for n := range work {
				o, status, err := api.place(fmt.Sprint("race-", n), `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`)
				if status != http.StatusCreated {
					t.Errorf("order %d: %d %v", n, status, err)

					continue
				}

				if n%2 == 0 {
					continue
				}

				clients.Go(func() {
					time.Sleep(rand.N(300 * time.Millisecond))

					if status := api.send("POST", "/orders/"+o.ID+"/cancel", `{"reason":"changed my mind"}`, nil); status != http.StatusOK && status != http.StatusConflict {
						t.Errorf("cancel %d: %d", n, status)
					}
				})
			}
		})
	}

	for n := range orders {
		work <- n
	}

	close(work)
	clients.Wait()

	eventually(t, pool, 0, `SELECT count(*) FROM river_job WHERE state <> 'completed' AND queue <> 'maintenance'`)
	eventually(t, pool, orders, `SELECT count(*) FROM orders WHERE status IN ('confirmed', 'rejected', 'cancelled')`)
	eventually(t, pool, items, `SELECT (SELECT count(*) FROM orders WHERE status = 'confirmed') + available FROM products`)
	eventually(t, pool, 0, `SELECT ((SELECT sum(balance) FROM points_balances) - 10 * count(*))::int FROM orders WHERE status = 'confirmed'`)
	audited(t, url)
}

// placeMany places orders from several clients.
func placeMany(t *testing.T, api *process, n int) {
	t.Helper()

	var clients sync.WaitGroup

	for i := range n {
		clients.Go(func() {
			body := fmt.Sprintf(`{"user_id":"u-%d","lines":[{"sku":"tea","quantity":1}]}`, i%7)
			if _, status, err := api.place("", body); status != http.StatusCreated {
				t.Errorf("order %d: %d %v", i, status, err)
			}
		})
	}

	clients.Wait()
}

func alter(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()

	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
