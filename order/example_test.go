package order_test

import (
	"fmt"
	"time"

	"orders/order"
)

func ExamplePrice() {
	catalogue := map[string]order.Product{
		"tea": {SKU: "tea", Price: 1250, Currency: "EUR"},
		"mug": {SKU: "mug", Price: 890, Currency: "EUR"},
	}

	o, err := order.Price(order.Draft{UserID: "u-1", Lines: []order.DraftLine{{"tea", 2}, {"mug", 1}}}, catalogue, time.Time{})
	fmt.Println(o.Status, o.Total, o.Currency, err)

	_, err = order.Price(order.Draft{UserID: "u-1", Lines: []order.DraftLine{{"coffee", 1}}}, catalogue, time.Time{})
	fmt.Println(order.CodeOf(err))

	// Output:
	// pending 3390 EUR <nil>
	// unknown-sku
}

func ExampleStatus_Next() {
	status, _ := order.Pending.Next(order.Hold)
	fmt.Println(status)

	status, _ = status.Next(order.Pay)
	fmt.Println(status)

	_, err := status.Next(order.Expire)
	fmt.Println(err)

	// Output:
	// awaiting_payment
	// confirmed
	// state-conflict: Cannot expire the order: its status is confirmed.
}

// A step of a confirmed order: its effect is in no ledger, and its second attempt has failed.
func ExampleProgressOf() {
	p := order.ProgressOf(order.Points, nil, &order.Attempt{Number: 2, Code: order.Unavailable})
	fmt.Println(p.Name, p.State, *p.Attempts, p.LastError)

	// Output:
	// points retrying 2 the database could not be reached
}
