package order

import "fmt"

// Allocate shares stock among orders. The orders are served in the sequence given:
// callers sort them by id, and so by age. An order gets all of its lines or none. If it
// wants more than is left, it gets nothing, and the stock is left for the next orders.
//
// Allocate lowers the numbers in stock by what it gives out, never below zero. For each
// order it returns nil, or all the lines for which there was not enough.
func Allocate(stock map[string]int64, orders []Order) []Shortages {
	shortages := make([]Shortages, len(orders))

	for i, o := range orders {
		for _, l := range o.Lines {
			if available := stock[l.SKU]; l.Quantity > available {
				shortages[i] = append(shortages[i], Shortage{SKU: l.SKU, Wanted: l.Quantity, Available: available})
			}
		}

		if shortages[i] != nil {
			continue
		}

		for _, l := range o.Lines {
			stock[l.SKU] -= l.Quantity
		}
	}

	return shortages
}

// A Shortage is a line of an order for which there was not enough stock.
type Shortage struct {
	SKU               string
	Wanted, Available int64
}

// Shortages are why an order got no stock.
type Shortages []Shortage

// Reason is the reason of an order that is rejected for the shortages. Its text names the first.
func (s Shortages) Reason() Reason {
	text := fmt.Sprintf("out of stock: %s (wanted %d, left %d)", s[0].SKU, s[0].Wanted, s[0].Available)

	switch more := len(s) - 1; more {
	case 0:
	case 1:
		text += " and 1 more product"
	default:
		text += fmt.Sprintf(" and %d more products", more)
	}

	return Reason{OutOfStock, text}
}

// Shortages are those of the order's lines for which it was rejected.
func (o Order) Shortages() (shortages Shortages) {
	for _, l := range o.Lines {
		if l.Available != nil {
			shortages = append(shortages, Shortage{SKU: l.SKU, Wanted: l.Quantity, Available: *l.Available})
		}
	}

	return shortages
}
