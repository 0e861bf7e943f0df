package order

import (
	"fmt"
	"slices"
)

// Allocate shares stock among orders. The orders are served in the sequence given:
// callers sort them by id, and so by age. An order gets all of its lines or none. If it
// wants more than is left, it gets nothing, and the stock is left for the next orders.
//
// Allocate lowers the numbers in stock by what it gives out, never below zero. For each
// order it returns nil, or the first line for which there was not enough.
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

// A Shortage is the reason why an order got no stock.
type Shortage struct {
	SKU          string
	Wanted, Left int64
}

// Reason is the shortage in words, kept as the order's status_reason.
func (s Shortage) Reason() string {
	return fmt.Sprintf("out of stock: %s (wanted %d, left %d)", s.SKU, s.Wanted, s.Left)
}
