package order

import (
	"fmt"
	"slices"
	"time"
)

// A Draft is an order as it was requested, without prices.
type Draft struct {
	Memo
	Contact

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
	if err := draft.check(catalogue); err != nil {
		return nil, err
	}

	o := &Order{UserID: draft.UserID, Memo: draft.Memo, Contact: draft.Contact, Status: Pending, Lines: make([]Line, 0, len(draft.Lines))}

	if draft.Hold != 0 {
		until := now.Add(draft.Hold)
		o.HoldUntil = &until
	}

	for i, line := range draft.Lines {
		product := catalogue[line.SKU]

		// Both factors are bounded and not negative, so only their product and the sum can overflow.
		if product.Price > 0 && line.Quantity > (MaxExact-o.Total)/product.Price {
			return nil, Errorf(TotalOverflow, "The total is more than %d minor units; split the order.", int64(MaxExact)).
				At(Fieldf(fmt.Sprintf("lines[%d]", i), "expected a smaller total of this line and those before it"))
		}

		o.Currency = product.Currency
		o.Total += line.Quantity * product.Price
		o.Lines = append(o.Lines, Line{SKU: line.SKU, Quantity: line.Quantity, UnitPrice: product.Price})
	}

	return o, nil
}

// check refuses a draft that cannot be priced. The error is that of the first line at fault,
// and its fields are those of all lines with the same fault.
func (d Draft) check(catalogue map[string]Product) error {
	if n := len(d.Lines); n < 1 || n > MaxLines {
		return Errorf(InvalidLines, "An order has 1 to %d lines; this one has %d.", MaxLines, n).
			At(Fieldf("lines", "expected 1 to %d lines", MaxLines))
	}

	var refusal *Error

	for i := range d.Lines {
		e := d.checkLine(i, catalogue)

		switch {
		case e == nil:
		case refusal == nil:
			refusal = e
		case e.Code == refusal.Code:
			refusal = refusal.At(e.Fields...)
		}
	}

	if refusal != nil {
		return refusal
	}

	return nil
}

// checkLine is what is wrong with a line; nil if nothing is.
func (d Draft) checkLine(i int, catalogue map[string]Product) *Error {
	line, before := d.Lines[i], d.Lines[:i]
	product, known := catalogue[line.SKU]
	currency := catalogue[d.Lines[0].SKU].Currency

	field := func(name, expected string, args ...any) Field {
		return Fieldf(fmt.Sprintf("lines[%d].%s", i, name), expected, args...)
	}

	switch {
	case line.Quantity < 1 || line.Quantity > MaxQuantity:
		return Errorf(InvalidQuantity, "Order 1 to %d of %q.", MaxQuantity, line.SKU).
			At(field("quantity", "expected 1 to %d", MaxQuantity))
	case !known:
		return Errorf(UnknownSKU, "There is no product %q; GET /products lists them.", line.SKU).
			At(field("sku", "expected a product of the catalogue"))
	case product.ArchivedAt != nil:
		return Errorf(ProductArchived, "Product %q is archived and cannot be ordered; order the other products.", line.SKU).
			At(field("sku", "expected a product that is not archived"))
	case slices.ContainsFunc(before, func(l DraftLine) bool { return l.SKU == line.SKU }):
		return Errorf(DuplicateSKU, "Product %q has two lines; put its quantities into one line.", line.SKU).
			At(field("sku", "expected a product that no line before has"))
	case currency != "" && currency != product.Currency:
		return Errorf(MixedCurrencies, "All lines of an order share one currency; %q is in %s, the lines before it in %s.",
			line.SKU, product.Currency, currency).
			At(field("sku", "expected a product in %s", currency))
	}

	return nil
}
