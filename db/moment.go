package db

import (
	"fmt"

	"orders/order"
)

// MomentSQL is an expression for a moment, and the value of its parameter, which is the nth.
func MomentSQL(m order.Moment, n int) (expression string, value any) {
	if m.Relative {
		return fmt.Sprintf("now() - $%d::interval", n), m.Ago
	}

	return fmt.Sprintf("$%d::timestamptz", n), m.At
}
