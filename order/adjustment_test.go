package order_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"orders/order"
)

func TestAnAdjustmentFitsItsReason(t *testing.T) {
	t.Parallel()

	fits := map[order.AdjustmentReason][]string{
		order.StockTake:  {"counted"},
		order.Damaged:    {"-1"},
		order.Lost:       {"-1"},
		order.Returned:   {"1"},
		order.Correction: {"-1", "1"},
	}

	forms := map[string]order.Adjustment{
		"nothing":       {},
		"0":             {Quantity: new(int64(0))},
		"1":             {Quantity: new(int64(1))},
		"-1":            {Quantity: new(int64(-1))},
		"counted":       {Counted: new(int64(0))},
		"counted and 1": {Counted: new(int64(0)), Quantity: new(int64(1))},
	}

	for _, reason := range order.AdjustmentReasons() {
		for name, a := range forms {
			a.Reason = reason

			err := a.Check()
			if fit := slices.Contains(fits[reason], name); fit != (err == nil) {
				t.Errorf("%s with %s: %v", reason, name, err)
			}

			if refusal, ok := errors.AsType[*order.Error](err); ok && (refusal.Code != order.Invalid || len(refusal.Fields) == 0) {
				t.Errorf("%s with %s: %s", reason, name, fmt.Sprint(refusal.Fields))
			}
		}
	}
}
