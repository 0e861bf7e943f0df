package order

// An AdjustmentReason says why stock is not what receipts and orders say.
type AdjustmentReason string

// The reasons.
const (
	StockTake  AdjustmentReason = "stock_take" // the stock was counted
	Damaged    AdjustmentReason = "damaged"
	Lost       AdjustmentReason = "lost"
	Returned   AdjustmentReason = "returned"
	Correction AdjustmentReason = "correction" // of a receipt or an adjustment
)

// AdjustmentReasons are all reasons.
func AdjustmentReasons() []AdjustmentReason {
	return []AdjustmentReason{StockTake, Damaged, Lost, Returned, Correction}
}

// An Adjustment changes a product's stock by a quantity, which is negative if there is less.
// A stock-take has the counted stock instead, and gets its quantity when it is booked.
type Adjustment struct {
	Reason   AdjustmentReason
	Quantity *int64
	Counted  *int64
}

// Check refuses an adjustment that does not fit its reason: a sign that was forgotten would
// book twice the mistake.
func (a Adjustment) Check() error {
	var wrong []Field

	switch taken := a.Reason == StockTake; {
	case taken && a.Counted == nil:
		wrong = append(wrong, Fieldf("counted", "expected the stock that was counted, for the reason %s", a.Reason))
	case !taken && a.Counted != nil:
		wrong = append(wrong, Fieldf("counted", "expected counted for the reason %s only", StockTake))
	}

	if expected := a.expected(); expected != "" {
		wrong = append(wrong, Fieldf("quantity", "expected %s for the reason %s", expected, a.Reason))
	}

	if wrong == nil {
		return nil
	}

	return Errorf(Invalid, "The adjustment does not fit its reason; errors lists the places.").At(wrong...)
}

// expected is what the quantity should be; empty if it fits the reason.
func (a Adjustment) expected() string {
	var quantity int64
	if a.Quantity != nil {
		quantity = *a.Quantity
	}

	switch less := a.Reason == Damaged || a.Reason == Lost; {
	case a.Reason == StockTake && a.Quantity != nil:
		return "no quantity, which is computed,"
	case less && quantity >= 0:
		return "a negative quantity"
	case a.Reason == Returned && quantity <= 0:
		return "a positive quantity"
	case a.Reason == Correction && quantity == 0:
		return "a quantity other than 0"
	}

	return ""
}
