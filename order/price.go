package order

import (
	"fmt"
	"slices"
	"time"
)

// A Draft is an order as it was requested, without prices.
type Draft struct {
	UserID string
	Hold   time.Duration // how long the order waits for its payment; 0 for an order that is not held
	Lines  []DraftLine
}

// A DraftLine requests a quantity of a product.
type DraftLine struct {
	SKU      string
	Quantity int64
}

// Price makes an order of a draft with the catalogue's prices. The order has no id and
// no times yet, except for the deadline of its payment, which is counted from now. The
// errors are [InvalidLines], [InvalidQuantity], [DuplicateSKU], [UnknownSKU],
// [ProductArchived], [MixedCurrencies] and [TotalOverflow].
func Price(draft Draft, catalogue map[string]Product, now time.Time) (*Order, error) {
	if n := len(draft.Lines); n < 1 || n > MaxLines {
		return nil, Errorf(InvalidLines, "An order has 1 to %d lines; this one has %d.", MaxLines, n)
	}

	o := &Order{UserID: draft.UserID, Status: Pending, Lines: make([]Line, 0, len(draft.Lines))}

	if draft.Hold != 0 {
		until := now.Add(draft.Hold)
		o.HoldUntil = &until
	}

	for i, line := range draft.Lines {
		product, known := catalogue[line.SKU]

		switch {
		case line.Quantity < 1 || line.Quantity > MaxQuantity:
			return nil, Errorf(InvalidQuantity, "Order 1 to %d of %q.", MaxQuantity, line.SKU)
		case !known:
			return nil, Errorf(UnknownSKU, "There is no product %q; GET /products lists them.", line.SKU)
		case product.ArchivedAt != nil:
			refusal := Errorf(ProductArchived, "Product %q is archived and cannot be ordered; order the other products.", line.SKU)
			refusal.Fields = []Field{Fieldf(fmt.Sprintf("lines[%d].sku", i), "expected a product that is not archived")}

			return nil, refusal
		case slices.ContainsFunc(o.Lines, func(l Line) bool { return l.SKU == line.SKU }):
			return nil, Errorf(DuplicateSKU, "Product %q has two lines; put its quantities into one line.", line.SKU)
		case o.Currency != "" && o.Currency != product.Currency:
			return nil, Errorf(MixedCurrencies, "All lines of an order share one currency; %q is in %s, the lines before it in %s.",
				line.SKU, product.Currency, o.Currency)
		}

		// Both factors are bounded and not negative, so only their product and the sum can overflow.
		if product.Price > 0 && line.Quantity > (MaxExact-o.Total)/product.Price {
			return nil, Errorf(TotalOverflow, "The total is more than %d minor units; split the order.", int64(MaxExact))
		}

		o.Currency = product.Currency
		o.Total += line.Quantity * product.Price
		o.Lines = append(o.Lines, Line{SKU: line.SKU, Quantity: line.Quantity, UnitPrice: product.Price})
	}

	return o, nil
}
