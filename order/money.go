package order

import (
	"strconv"

	"github.com/bojanz/currency"
)

// Money writes an amount in minor units as people do: 1250 EUR is 12.50 EUR. A currency that has no known minor unit, as one
// that was withdrawn, has its amount in minor units, and says so.
func Money(minor int64, code string) string {
	amount, err := currency.NewAmountFromInt64(minor, code)
	if err != nil {
		return strconv.FormatInt(minor, 10) + " " + code + " in minor units"
	}

	return amount.Number() + " " + code
}
