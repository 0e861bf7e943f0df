package api_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"orders/api"
	"orders/db/dbtest"
	"orders/db/event"
	"orders/order"
)

func TestProductIsWrittenAndReadBack(t *testing.T) {
	t.Parallel()
	b := setup(t)

	wantProblem(t, b.ask(t, "GET", "/products/tea", ""), 404, order.NotFound)
	as[api.Product](t, b.ask(t, "PUT", "/products/tea", `{"name":"Tea","price":100,"currency":"EUR"}`), 201)
	as[booked](t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":5,"reference":"po-1"}`), 201)

	got := as[api.Product](t, b.ask(t, "PUT", "/products/tea", `{"name":"Teeʼs","price":1000000000000,"currency":"USD"}`), 200)
	if !got.UpdatedAt.After(got.CreatedAt) {
		t.Errorf("put = %+v", got)
	}

	want := api.Product{
		SKU: "tea", Name: "Teeʼs", Price: order.MaxPrice, Currency: "USD", Available: 5, CreatedAt: got.CreatedAt, UpdatedAt: got.UpdatedAt,
	}
	if got != want {
		t.Errorf("put = %+v, want %+v", got, want)
	}

	if got := as[api.Product](t, b.ask(t, "GET", "/products/tea", ""), 200); got != want {
		t.Errorf("get = %+v, want %+v", got, want)
	}
}

// The stock is low below the threshold. Each time that it becomes low is kept, whatever made it so.
func TestLowStockIsListedAndKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "milk", 100, 1)
	b.stock(t, "tea", 100, 5)

	put := func(threshold string) api.Product {
		t.Helper()

		return as[api.Product](t, b.ask(t, "PUT", "/products/tea", `{"name":"tea","price":100,"currency":"EUR"`+threshold+`}`), 200)
	}
	adjust := func(quantity int) {
		t.Helper()
		b.adjust(t, fmt.Sprintf(`{"reason":"correction","quantity":%d,"reference":"a%d"}`, quantity, quantity))
	}
	order := func(quantity int) {
		t.Helper()
		b.settle(t, b.place(t, "u", "tea", quantity).ID)
	}

	alerts := 0
	expect := func(what string, low bool, more int) {
		t.Helper()

		listed := as[struct {
			Products   []api.Product `json:"products"`
			NextCursor string        `json:"next_cursor"`
		}](t, b.ask(t, "GET", "/products?low_stock=true", ""), 200).Products
		if (len(listed) == 1) != low {
			t.Errorf("%s: low are %+v", what, listed)
		}

		rows := as[reportResult](t, b.ask(t, "GET", "/reports/low-stock", ""), 200).Rows
		if (len(rows) == 1) != low || low && (rows[0]["sku"] != "tea" || rows[0]["since"] == nil) {
			t.Errorf("%s: the report has %v", what, rows)
		}

		alerts += more
		if n := dbtest.Count(t, b.pool, `SELECT count(*) FROM stock_alerts WHERE sku = 'tea' AND available < low_stock`); n != alerts {
			t.Errorf("%s: %d alerts, want %d", what, n, alerts)
		}
	}

	expect("no threshold", false, 0)

	if p := put(`,"low_stock":4`); p.LowStock != 4 || put("") != p {
		t.Errorf("put = %+v", p)
	}

	expect("5 of 4", false, 0)
	adjust(-1)
	expect("4 of 4", false, 0)
	adjust(-2)
	expect("2 of 4", true, 1)

	order(1)
	expect("1 of 4: it was low before", true, 0)

	adjust(5)
	expect("6 of 4", false, 0)
	order(3)
	expect("3 of 4, by an order", true, 1)
	put(`,"low_stock":0`)
	expect("no threshold any more", false, 0)
	put(`,"low_stock":9`)
	expect("3 of 9, by the threshold", true, 1)

	// Other services learn of each.
	ids := map[string]bool{}
	events, _ := b.told(t, "type=stock.low", alerts)

	for _, e := range events {
		ids[e.ID] = true

		if e.Type != event.StockLow || e.Subject != "tea" || e.Data != (event.CloudEventData{SKU: "tea"}) {
			t.Errorf("event %+v", e)
		}
	}

	if len(ids) != alerts {
		t.Errorf("%d events, want %d: %v", len(ids), alerts, ids)
	}

	if r := b.ask(t, "GET", "/events?type=stock.low", ""); strings.Contains(r.body, "order_id") {
		t.Errorf("it is about no order: %s", r.body)
	}
}

func TestProductsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for name, test := range map[string][2]string{
		"name empty":        {"tea", `{"name":"","price":1,"currency":"EUR"}`},
		"name too long":     {"tea", `{"name":"` + strings.Repeat("n", 201) + `","price":1,"currency":"EUR"}`},
		"name with newline": {"tea", `{"name":"a\nb","price":1,"currency":"EUR"}`},
		"price negative":    {"tea", `{"name":"n","price":-1,"currency":"EUR"}`},
		"price too high":    {"tea", `{"name":"n","price":1000000000001,"currency":"EUR"}`},
		"price a float":     {"tea", `{"name":"n","price":12.5,"currency":"EUR"}`},
		"price a text":      {"tea", `{"name":"n","price":"12","currency":"EUR"}`},
		"currency in small": {"tea", `{"name":"n","price":1,"currency":"eur"}`},
		"currency too long": {"tea", `{"name":"n","price":1,"currency":"EURO"}`},
		"currency unknown":  {"tea", `{"name":"n","price":1,"currency":"ZZZ"}`},
		"currency of tests": {"tea", `{"name":"n","price":1,"currency":"XTS"}`},
		"currency of old":   {"tea", `{"name":"n","price":1,"currency":"DEM"}`},
		"currency missing":  {"tea", `{"name":"n","price":1}`},
		"stock by the way":  {"tea", `{"name":"n","price":1,"currency":"EUR","available":100}`},
		"threshold below 0": {"tea", `{"name":"n","price":1,"currency":"EUR","low_stock":-1}`},
		"threshold null":    {"tea", `{"name":"n","price":1,"currency":"EUR","low_stock":null}`},
		"sku with a space":  {"a%20b", `{"name":"n","price":1,"currency":"EUR"}`},
		"sku with a slash":  {"a%2Fb", `{"name":"n","price":1,"currency":"EUR"}`},
		"sku too long":      {strings.Repeat("a", 65), `{"name":"n","price":1,"currency":"EUR"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, b.ask(t, "PUT", "/products/"+test[0], test[1]), 422, order.Invalid)
		})
	}
}

// A database may have products from before their currencies were checked.
func TestAProductWithAnOldCurrencyIsOrdered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 5)

	if _, err := b.pool.Exec(t.Context(), `UPDATE products SET currency = 'ZZZ'`); err != nil {
		t.Fatal(err)
	}

	if got := as[api.Product](t, b.ask(t, "GET", "/products/tea", ""), 200); got.Currency != "ZZZ" {
		t.Errorf("currency %s", got.Currency)
	}

	if placed := b.place(t, "u-1", "tea", 1); placed.Currency != "ZZZ" {
		t.Errorf("currency %s", placed.Currency)
	}
}

func TestReceiptCountsOnceForItsReference(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 0)

	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			got := as[booked](t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":100,"reference":"po-7"}`), 201)
			if got.SKU != "tea" || got.Reference != "po-7" || got.Quantity != 100 || got.Available != 100 || got.Reason != "" || got.At.IsZero() {
				t.Errorf("receipt = %+v", got)
			}
		})
	}

	group.Wait()

	wantProblem(t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":99,"reference":"po-7"}`), 409, order.ReceiptReused)
	wantProblem(t, b.ask(t, "POST", "/products/none/receipts", `{"quantity":1,"reference":"po-7"}`), 404, order.NotFound)

	for _, body := range []string{
		`{"quantity":0,"reference":"r"}`, `{"quantity":1000000001,"reference":"r"}`, `{"quantity":1,"reference":""}`, `{"quantity":1,"reference":"a\tb"}`,
	} {
		wantProblem(t, b.ask(t, "POST", "/products/tea/receipts", body), 422, order.Invalid)
	}
}

// What the schema lets pass and Postgres does not is the client's mistake, too: SQLSTATE class 22.
func TestStockBeyondItsTypeIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 0)

	if _, err := b.pool.Exec(t.Context(), `UPDATE products SET available = 9223372036854775807`); err != nil {
		t.Fatal(err)
	}

	wantProblem(t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":1,"reference":"r"}`), 422, order.Invalid)
}

func TestListProductsPagesThroughAllOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)

	type page struct {
		Products   []api.Product `json:"products"`
		NextCursor string        `json:"next_cursor"`
	}

	if r := b.ask(t, "GET", "/products", ""); r.body != `{"products":[],"next_cursor":""}`+"\n" {
		t.Errorf("an empty catalogue is %s", r.body)
	}

	want := []string{"A", "a", "a-1", "a.1", "a_1", "b"}
	for _, sku := range want {
		b.stock(t, sku, 1, 0)
	}

	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string

		for cursor := ""; ; {
			p := as[page](t, b.ask(t, "GET", fmt.Sprintf("/products?limit=%d&cursor=%s", limit, cursor), ""), 200)
			for _, product := range p.Products {
				got = append(got, product.SKU)
			}

			if cursor = p.NextCursor; cursor == "" {
				break
			}
		}

		slices.Sort(got) // how Postgres sorts is the database's collation

		sorted := slices.Sorted(slices.Values(want))
		if !slices.Equal(got, sorted) {
			t.Errorf("limit %d: got %v, want %v", limit, got, sorted)
		}
	}
}

func TestStockBeyondExactNumbersIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1, 1)

	if _, err := b.pool.Exec(t.Context(), `UPDATE products SET available = $1`, order.MaxExact-1); err != nil {
		t.Fatal(err)
	}

	wantProblem(t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":2,"reference":"r"}`), 422, order.StockOverflow)

	r := as[map[string]any](t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":1,"reference":"r"}`), 201)
	if r["available"] != float64(order.MaxExact) {
		t.Errorf("available %v", r["available"])
	}
}
