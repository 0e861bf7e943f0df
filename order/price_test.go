package order_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"orders/order"
)

var catalogue = map[string]order.Product{
	"tea":  {SKU: "tea", Price: 1_250, Currency: "EUR"},
	"mug":  {SKU: "mug", Price: 890, Currency: "EUR"},
	"free": {SKU: "free", Price: 0, Currency: "EUR"},
	"usd":  {SKU: "usd", Price: 1, Currency: "USD"},
	"old":  {SKU: "old", Price: 1, Currency: "EUR", ArchivedAt: new(time.Time)},
	"dear": {SKU: "dear", Price: order.MaxExact / 2, Currency: "EUR"},
	"half": {SKU: "half", Price: order.MaxExact/2 + 1, Currency: "EUR"},
}

func TestPrice(t *testing.T) {
	t.Parallel()

	many := make([]order.DraftLine, order.MaxLines+1)
	for i := range many {
		many[i] = order.DraftLine{SKU: strconv.Itoa(i), Quantity: 1}
	}

	for name, test := range map[string]struct {
		lines    []order.DraftLine
		total    int64
		currency string
		refused  order.Code
		fields   []string
	}{
		"one line":              {lines: []order.DraftLine{{"tea", 2}}, total: 2_500, currency: "EUR"},
		"two lines":             {lines: []order.DraftLine{{"tea", 2}, {"mug", 1}}, total: 3_390, currency: "EUR"},
		"free of charge":        {lines: []order.DraftLine{{"free", 10_000}}, total: 0, currency: "EUR"},
		"the largest total":     {lines: []order.DraftLine{{"dear", 2}, {"mug", 0}}[:1], total: order.MaxExact - 1, currency: "EUR"},
		"no lines":              {refused: order.InvalidLines, fields: []string{"lines"}},
		"too many lines":        {lines: many, refused: order.InvalidLines, fields: []string{"lines"}},
		"quantity zero":         {lines: []order.DraftLine{{"tea", 0}}, refused: order.InvalidQuantity, fields: []string{"lines[0].quantity"}},
		"quantity negative":     {lines: []order.DraftLine{{"tea", -1}}, refused: order.InvalidQuantity, fields: []string{"lines[0].quantity"}},
		"quantity too large":    {lines: []order.DraftLine{{"tea", order.MaxQuantity + 1}}, refused: order.InvalidQuantity, fields: []string{"lines[0].quantity"}},
		"a sku twice":           {lines: []order.DraftLine{{"tea", 1}, {"tea", 1}}, refused: order.DuplicateSKU, fields: []string{"lines[1].sku"}},
		"an unknown sku":        {lines: []order.DraftLine{{"tea", 1}, {"no-such", 1}}, refused: order.UnknownSKU, fields: []string{"lines[1].sku"}},
		"an archived product":   {lines: []order.DraftLine{{"tea", 1}, {"old", 1}}, refused: order.ProductArchived, fields: []string{"lines[1].sku"}},
		"mixed currencies":      {lines: []order.DraftLine{{"tea", 1}, {"usd", 1}}, refused: order.MixedCurrencies, fields: []string{"lines[1].sku"}},
		"overflow in a line":    {lines: []order.DraftLine{{"dear", 3}}, refused: order.TotalOverflow, fields: []string{"lines[0]"}},
		"overflow in the sum":   {lines: []order.DraftLine{{"half", 1}, {"dear", 1}, {"mug", 1}}, refused: order.TotalOverflow, fields: []string{"lines[2]"}},
		"overflow to the brink": {lines: []order.DraftLine{{"dear", 2}, {"tea", 1}}, refused: order.TotalOverflow, fields: []string{"lines[1]"}},
		"faults of one kind":    {lines: []order.DraftLine{{"x", 1}, {"tea", 1}, {"tea", 1}, {"y", 1}}, refused: order.UnknownSKU, fields: []string{"lines[0].sku", "lines[3].sku"}},
		"currencies of all":     {lines: []order.DraftLine{{"tea", 1}, {"usd", 1}, {"mug", 1}, {"usd", 1}}, refused: order.MixedCurrencies, fields: []string{"lines[1].sku"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o, err := order.Price(order.Draft{UserID: "u-1", Lines: test.lines}, catalogue, time.Time{})
			if test.refused != "" {
				refusal, _ := errors.AsType[*order.Error](err)
				if refusal == nil || refusal.Code != test.refused || !slices.Equal(namesOf(refusal.Fields), test.fields) {
					t.Errorf("%+v, want %s of %v", refusal, test.refused, test.fields)
				}

				return
			}

			if err != nil {
				t.Fatal(err)
			}

			if o.Total != test.total || o.Currency != test.currency || o.Status != order.Pending || len(o.Lines) != len(test.lines) {
				t.Errorf("priced as %+v, want total %d", o, test.total)
			}
		})
	}
}

func namesOf(fields []order.Field) (names []string) {
	for _, f := range fields {
		names = append(names, f.Name)
	}

	return names
}
