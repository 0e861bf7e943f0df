package order_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"orders/order"
)

// serve is the model: one order at a time, line by line, put back when a line
// finds too little.
func serve(stock map[string]int64, o order.Order) bool {
	for i, l := range o.Lines {
		stock[l.SKU] -= l.Quantity

		if stock[l.SKU] < 0 {
			for _, taken := range o.Lines[:i+1] {
				stock[taken.SKU] += taken.Quantity
			}

			return false
		}
	}

	return true
}

// shortOf are the lines that want more than there is.
func shortOf(stock map[string]int64, o order.Order) (short order.Shortages) {
	for _, l := range o.Lines {
		if stock[l.SKU] < l.Quantity {
			short = append(short, order.Shortage{SKU: l.SKU, Wanted: l.Quantity, Available: stock[l.SKU]})
		}
	}

	return short
}

func TestAllocateIsOneByOne(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		skus := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		stock := rapid.MapOf(skus, rapid.Int64Range(0, 30)).Draw(t, "stock")
		orders := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) order.Order {
			var o order.Order
			for _, sku := range rapid.SliceOfNDistinct(skus, 1, 4, rapid.ID).Draw(t, "skus") {
				o.Lines = append(o.Lines, order.Line{SKU: sku, Quantity: rapid.Int64Range(1, 12).Draw(t, "quantity")})
			}

			return o
		}), 0, 20).Draw(t, "orders")

		model, given := maps.Clone(stock), maps.Clone(stock)

		for i, shortage := range order.Allocate(stock, orders) {
			before := maps.Clone(model)
			if served := serve(model, orders[i]); served != (shortage == nil) {
				t.Fatalf("order %d: model served it: %t, Allocate says %v", i, served, shortage)
			}

			if shortage != nil && !slices.Equal(shortage, shortOf(before, orders[i])) {
				t.Fatalf("order %d: shortages %+v, want %+v", i, shortage, shortOf(before, orders[i]))
			}
		}

		for sku := range given {
			if stock[sku] != model[sku] || stock[sku] < 0 {
				t.Fatalf("%s: left %d, model %d", sku, stock[sku], model[sku])
			}
		}
	})
}

func ExampleAllocate() {
	stock := map[string]int64{"tea": 5, "mug": 1}

	for _, shortage := range order.Allocate(stock, []order.Order{
		{Lines: []order.Line{{SKU: "tea", Quantity: 2}, {SKU: "mug", Quantity: 1}}},
		{Lines: []order.Line{{SKU: "tea", Quantity: 1}, {SKU: "mug", Quantity: 1}}},
		{Lines: []order.Line{{SKU: "tea", Quantity: 3}}},
		{Lines: []order.Line{{SKU: "tea", Quantity: 1}, {SKU: "mug", Quantity: 1}}},
	}) {
		if shortage == nil {
			fmt.Println("served")
		} else {
			fmt.Println(shortage.Reason().Text)
		}
	}

	// Output:
	// served
	// out of stock: mug (wanted 1, left 0)
	// served
	// out of stock: tea (wanted 1, left 0) and 1 more product
}
