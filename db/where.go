package db

import (
	"fmt"
	"strconv"
	"strings"

	"orders/order"
)

// A Where collects the conditions of a list, which must all hold, and the values of their parameters.
type Where struct {
	Args       []any
	conditions []string
}

// Value adds a value, and returns the parameter that stands for it.
func (w *Where) Value(v any) string {
	w.Args = append(w.Args, v)

	return "$" + strconv.Itoa(len(w.Args))
}

// Add adds a condition, in which each ? stands for the value.
func (w *Where) Add(condition string, value any) {
	w.conditions = append(w.conditions, strings.ReplaceAll(condition, "?", w.Value(value)))
}

// If adds a condition if there is something to compare with.
func (w *Where) If(given bool, condition string, value any) {
	if given {
		w.Add(condition, value)
	}
}

// Bare adds a condition without a value.
func (w *Where) Bare(condition string) { w.conditions = append(w.conditions, condition) }

// Between adds that a column is at the first moment or later, and before the second. The database's clock decides what
// is before now.
func (w *Where) Between(column string, since, until order.Moment) {
	for _, bound := range []struct {
		operator string
		moment   order.Moment
	}{{">=", since}, {"<", until}} {
		switch m := bound.moment; {
		case m.Relative:
			w.Add(fmt.Sprintf("%s %s now() - ?::interval", column, bound.operator), m.Ago)
		case !m.At.IsZero():
			w.Add(fmt.Sprintf("%s %s ?", column, bound.operator), m.At)
		}
	}
}

// String is the conditions in SQL.
func (w *Where) String() string {
	if len(w.conditions) == 0 {
		return "true"
	}

	return strings.Join(w.conditions, `
			AND `)
}
