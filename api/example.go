package api

import (
	"time"

	"github.com/google/uuid"

	"orders/order"
)

// exampleOrder is the order of the document's examples: confirmed, its points earned, its message due.
func exampleOrder() order.Order {
	placed := time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC)
	settled := placed.Add(40 * time.Millisecond)

	return order.Order{
		ID:        uuid.MustParse("019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11"),
		UserID:    "u-1",
		Status:    order.Confirmed,
		Currency:  "EUR",
		Total:     2500,
		CreatedAt: placed,
		UpdatedAt: settled,
		Lines:     []order.Line{{SKU: "tea", Quantity: 2, UnitPrice: 1250}},
		Steps: []order.Step{
			{Name: order.Inventory, State: order.Done, At: &settled, Attempts: 1},
			{Name: order.Points, State: order.Done, At: &settled, Attempts: 1},
			{Name: order.Notification, State: order.Waiting},
		},
	}
}
