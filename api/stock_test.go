package api_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"orders/api"
	"orders/order"
)

// booked is the response to a receipt or an adjustment.
type booked struct {
	api.Receipt

	SKU       string `json:"sku"`
	Available int64  `json:"available"`
}

func (b *bundle) adjust(t *testing.T, body string) booked {
	t.Helper()

	return as[booked](t, b.ask(t, "POST", "/products/tea/adjustments", body), 201)
}

func TestStockIsAdjusted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 10)

	available, bodies := int64(10), map[order.AdjustmentReason]string{
		order.StockTake:  `"counted":7`,
		order.Damaged:    `"quantity":-2`,
		order.Lost:       `"quantity":-1`,
		order.Returned:   `"quantity":3`,
		order.Correction: `"quantity":-7`,
	}
	changes := map[order.AdjustmentReason]int64{
		order.StockTake: -3, order.Damaged: -2, order.Lost: -1, order.Returned: 3, order.Correction: -7,
	}

	for _, reason := range order.AdjustmentReasons() {
		available += changes[reason]
		body := fmt.Sprintf(`{"reason":%q,"reference":%q,"note":"n",%s}`, reason, reason, bodies[reason])

		first := b.adjust(t, body)
		if string(first.Reason) != string(reason) || first.Quantity != changes[reason] || first.Available != available ||
			first.Reference != string(reason) || first.Note != "n" || (first.Counted != nil) != (reason == order.StockTake) {
			t.Errorf("%s: %+v, want %d available", reason, first, available)
		}

		if again := b.adjust(t, body); again.At != first.At || again.Quantity != first.Quantity || again.Available != first.Available {
			t.Errorf("%s: %+v, then %+v", reason, first, again)
		}
	}

	if got := as[api.Product](t, b.ask(t, "GET", "/products/tea", ""), 200); got.Available != 0 {
		t.Errorf("available %d", got.Available)
	}
}

func TestAReferenceIsOneReceiptOrAdjustment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 10) // reference first

	b.adjust(t, `{"reason":"lost","quantity":-2,"reference":"a"}`)
	b.adjust(t, `{"reason":"stock_take","counted":5,"reference":"count"}`)
	b.adjust(t, `{"reason":"stock_take","counted":5,"reference":"count again"}`) // no difference is a row, too

	for _, body := range []string{
		`{"reason":"lost","quantity":-1,"reference":"a"}`,
		`{"reason":"damaged","quantity":-2,"reference":"a"}`,
		`{"reason":"stock_take","counted":8,"reference":"a"}`,
		`{"reason":"stock_take","counted":6,"reference":"count"}`,
		`{"reason":"correction","quantity":-3,"reference":"count"}`,
		`{"reason":"returned","quantity":10,"reference":"first"}`,
	} {
		wantProblem(t, b.ask(t, "POST", "/products/tea/adjustments", body), 409, order.ReceiptReused)
	}

	wantProblem(t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":10,"reference":"a"}`), 409, order.ReceiptReused)

	// A stock-take that is sent again has its result, whatever was sold since.
	b.adjust(t, `{"reason":"lost","quantity":-1,"reference":"b"}`)

	if again := b.adjust(t, `{"reason":"stock_take","counted":5,"reference":"count"}`); again.Quantity != -3 || again.Available != 4 {
		t.Errorf("%+v", again)
	}
}

func TestAdjustmentsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 3)

	for body, location := range map[string]string{
		`{"reason":"stolen","quantity":-1,"reference":"a"}`:                  "body.reason",
		`{"reason":"damaged","quantity":1,"reference":"a"}`:                  "body.quantity",
		`{"reason":"correction","quantity":0,"reference":"a"}`:               "body.quantity",
		`{"reason":"correction","quantity":-1000000001,"reference":"a"}`:     "body.quantity",
		`{"reason":"stock_take","reference":"a"}`:                            "body.counted",
		`{"reason":"stock_take","counted":-1,"reference":"a"}`:               "body.counted",
		`{"reason":"stock_take","counted":9007199254740992,"reference":"a"}`: "body.counted",
		`{"reason":"lost","quantity":-1,"counted":1,"reference":"a"}`:        "body.counted",
		`{"reason":"lost","quantity":-1,"reference":""}`:                     "body.reference",
	} {
		p := wantProblem(t, b.ask(t, "POST", "/products/tea/adjustments", body), 422, order.Invalid)
		if len(p.Errors) != 1 || p.Errors[0].Location != location {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}

	wantProblem(t, b.ask(t, "POST", "/products/none/adjustments", `{"reason":"lost","quantity":-1,"reference":"a"}`), 404, order.NotFound)

	// What an order has taken is not available.
	b.settle(t, b.place(t, "u-1", "tea", 2).ID)

	p := wantProblem(t, b.ask(t, "POST", "/products/tea/adjustments", `{"reason":"lost","quantity":-2,"reference":"a"}`), 409, order.InsufficientStock)
	if p.Available == nil || *p.Available != 1 || len(p.Errors) != 1 || p.Errors[0].Location != "body.quantity" {
		t.Errorf("%+v", p)
	}

	if got := b.adjust(t, `{"reason":"lost","quantity":-1,"reference":"a"}`); got.Available != 0 {
		t.Errorf("%+v", got)
	}
}

// Many take away at once: no more than there is.
func TestConcurrentAdjustmentsLeaveNoStockBelowZero(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 5)

	var (
		group sync.WaitGroup
		taken atomic.Int32
	)

	for n := range 8 {
		group.Go(func() {
			body := fmt.Sprintf(`{"reason":"lost","quantity":-1,"reference":"a-%d"}`, n)
			if b.ask(t, "POST", "/products/tea/adjustments", body).status == 201 {
				taken.Add(1)
			}
		})
	}

	group.Wait()

	if got := as[api.Product](t, b.ask(t, "GET", "/products/tea", ""), 200); got.Available != 0 || taken.Load() != 5 {
		t.Errorf("available %d after %d adjustments", got.Available, taken.Load())
	}
}

func TestReceiptsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	wantProblem(t, b.ask(t, "GET", "/products/tea/receipts", ""), 404, order.NotFound)
	b.stock(t, "mug", 890, 1)
	b.stock(t, "tea", 1250, 10)
	b.adjust(t, `{"reason":"stock_take","counted":8,"reference":"count","note":"spring"}`)
	as[booked](t, b.ask(t, "POST", "/products/tea/receipts", `{"quantity":1,"reference":"second"}`), 201)

	// Rows of one moment are told apart by their references.
	if _, err := b.pool.Exec(t.Context(), `INSERT INTO stock_receipts (sku, reference, quantity)
		SELECT 'tea', 'same-' || n, 1 FROM generate_series(1, 3) AS n`); err != nil {
		t.Fatal(err)
	}

	want := []string{"same-3 1", "same-2 1", "same-1 1", "second 1", "count -2 stock_take of 8 spring", "first 10"}

	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string

		for cursor := ""; ; {
			p := as[struct {
				Receipts   []api.Receipt `json:"receipts"`
				NextCursor string        `json:"next_cursor"`
			}](t, b.ask(t, "GET", fmt.Sprintf("/products/tea/receipts?limit=%d&cursor=%s", limit, cursor), ""), 200)

			for _, r := range p.Receipts {
				text := fmt.Sprint(r.Reference, " ", r.Quantity, " ", r.Reason)
				if r.Counted != nil {
					text += fmt.Sprint(" of ", *r.Counted, " ", r.Note)
				}

				got = append(got, strings.TrimSpace(text))
			}

			if cursor = p.NextCursor; cursor == "" {
				break
			}
		}

		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %q, want %q", limit, got, want)
		}
	}
}
