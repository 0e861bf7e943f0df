// Package load places orders over HTTP, in a closed or an open model.
package load

import (
	"fmt"
	"math/rand/v2"

	"orders/order"
)

// A Workload describes the orders of a run.
type Workload struct {
	SKUs  int // the products in stock that orders choose from
	Lines int // of an order, each of a different product

	// Shares of the orders. The others are placed and confirmed.
	Cancelled  float64 // cancelled as soon as they are placed
	Held       float64 // held for a payment, which every second one gets
	OutOfStock float64 // ask for a product that is out of stock
}

// Spread is the workload of most scenarios.
var Spread = Workload{SKUs: 1000, Lines: 2}

const (
	customers      = 100_000
	outOfStockSKUs = 10
	holdSeconds    = 3600 // longer than any run
)

// A Line is a line of an order.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// An Order is the body of POST /orders, and what happens to the order afterwards.
type Order struct {
	UserID      string `json:"user_id"`
	Lines       []Line `json:"lines"`
	HoldSeconds int    `json:"hold_seconds,omitempty"`

	followUp followUp
	settles  order.Status // after the follow-up
	placed   order.Status // after its jobs, without the follow-up
}

// A followUp is a request that follows the placing of an order.
type followUp struct{ path, field string }

var (
	cancel = followUp{path: "/cancel", field: "reason"}
	pay    = followUp{path: "/payment", field: "reference"}
)

// Next makes the next order.
func (w Workload) Next(random *rand.Rand) Order {
	o := Order{UserID: fmt.Sprintf("u-%d", random.IntN(customers)), settles: order.Confirmed, placed: order.Confirmed}

	// Each line chooses from a range of its own, so that no product occurs twice.
	size := w.SKUs / w.Lines
	for n := range w.Lines {
		o.addLine("sku-%d", n*size+random.IntN(size))
	}

	switch share := random.Float64(); {
	case share < w.Cancelled:
		o.followUp, o.settles = cancel, order.Cancelled
	case share < w.Cancelled+w.Held/2:
		o.HoldSeconds, o.followUp, o.placed = holdSeconds, pay, order.AwaitingPayment
	case share < w.Cancelled+w.Held:
		o.HoldSeconds, o.settles, o.placed = holdSeconds, order.AwaitingPayment, order.AwaitingPayment
	case share < w.Cancelled+w.Held+w.OutOfStock:
		o.settles, o.placed = order.Rejected, order.Rejected
		o.addLine("gone-%d", 1+random.IntN(outOfStockSKUs))
	}

	return o
}

func (o *Order) addLine(format string, n int) {
	o.Lines = append(o.Lines, Line{SKU: fmt.Sprintf(format, n), Quantity: 1})
}

// Draft is the order as the domain knows it.
func (o *Order) Draft() order.Draft {
	draft := order.Draft{UserID: o.UserID}
	for _, line := range o.Lines {
		draft.Lines = append(draft.Lines, order.DraftLine(line))
	}

	return draft
}
