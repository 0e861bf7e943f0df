package order_test

import (
	"testing"

	"orders/order"
)

// steps are those of an order, in their order.
func steps(inventory, points, notification order.StepState) []order.StepProgress {
	return []order.StepProgress{
		{Name: order.Inventory, State: inventory}, {Name: order.Points, State: points}, {Name: order.Notification, State: notification},
	}
}

func TestSettled(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		order order.Order
		want  bool
	}{
		"placed":       {order.Order{Status: order.Pending, Steps: steps(order.Waiting, order.Waiting, order.Waiting)}, false},
		"pending":      {order.Order{Status: order.Pending, Steps: steps(order.Dead, order.Done, order.Done)}, false},
		"held":         {order.Order{Status: order.AwaitingPayment, Steps: steps(order.Done, order.Done, order.Done)}, false},
		"working":      {order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Waiting, order.Done)}, false},
		"retrying":     {order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Retrying, order.Done)}, false},
		"done":         {order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Done, order.Skipped)}, true},
		"a dead step":  {order.Order{Status: order.Confirmed, Steps: steps(order.Done, order.Dead, order.Done)}, true},
		"a final one":  {order.Order{Status: order.Cancelled, Steps: steps(order.Skipped, order.Waiting, order.Done)}, true},
		"without work": {order.Order{Status: order.Confirmed}, true},
	} {
		if got := c.order.Settled(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
