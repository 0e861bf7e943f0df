package order

import (
	"fmt"
	"slices"
)

// Allocate shares stock among orders: first come, first served in the order
// given (callers sort by id, which is by age), all lines of an order or none of
// them. An order that asks for more than is left gets nothing and leaves the
// stock to those behind it.
//
// It lowers the numbers in stock by what it gives out, never below zero, and
// returns, for each order, nil when it is served or the first line that is not.
func Allocate(stock map[string]int64, orders []Order) []*Shortage {
	shortages := make([]*Shortage, len(orders))

	for i, o := range orders {
		short := slices.IndexFunc(o.Lines, func(l Line) bool { return l.Quantity > stock[l.SKU] })
		if short >= 0 {
			line := o.Lines[short]
			shortages[i] = &Shortage{SKU: line.SKU, Wanted: line.Quantity, Left: stock[line.SKU]}

			continue
		}

		for _, l := range o.Lines {
			stock[l.SKU] -= l.Quantity
		}
	}

	return shortages
}

// A Shortage is why an order got no stock.
type Shortage struct {
	SKU          string
	Wanted, Left int64
}

// Reason is the shortage in words, kept as the order's status_reason.
func (s Shortage) Reason() string {
	return fmt.Sprintf("out of stock: %s (wanted %d, left %d)", s.SKU, s.Wanted, s.Left)
}
