package api_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"orders/api/customer"
	"orders/order"
)

type pointsPage struct {
	UserID     string                 `json:"user_id"`
	Balance    int64                  `json:"balance"`
	Entries    []customer.PointsEntry `json:"entries"`
	NextCursor string                 `json:"next_cursor"`
}

type inboxPage struct {
	Notifications []customer.Notification `json:"notifications"`
	NextCursor    string                  `json:"next_cursor"`
}

func TestCustomerHasPointsAndMessages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 100)

	const orders = 5

	ids := make([]uuid.UUID, 0, orders)
	for range orders {
		ids = append(ids, b.place(t, "u-1", "tea", 1).ID)
	}

	b.settle(t, ids...) // at one moment: the position needs more than the time
	b.settle(t, b.place(t, "u-2", "tea", 1).ID)

	for limit := 1; limit <= orders+1; limit++ {
		entries, messages := map[uuid.UUID]int{}, map[uuid.UUID]int{}

		for cursor := ""; ; {
			p := as[pointsPage](t, b.ask(t, "GET", fmt.Sprintf("/users/u-1/points?limit=%d&cursor=%s", limit, cursor), ""), 200)
			if p.UserID != "u-1" || p.Balance != orders*order.PointsEarned || len(p.Entries) > limit {
				t.Fatalf("limit %d: %+v", limit, p)
			}

			for _, e := range p.Entries {
				entries[e.OrderID] += int(e.Points)
			}

			if cursor = p.NextCursor; cursor == "" {
				break
			}
		}

		for cursor := ""; ; {
			p := as[inboxPage](t, b.ask(t, "GET", fmt.Sprintf("/users/u-1/notifications?limit=%d&cursor=%s", limit, cursor), ""), 200)
			for _, n := range p.Notifications {
				messages[n.OrderID]++

				if n.Template != "created" || n.Body != "your order has been created" {
					t.Errorf("message = %+v", n)
				}
			}

			if cursor = p.NextCursor; cursor == "" {
				break
			}
		}

		for _, id := range ids {
			if entries[id] != order.PointsEarned || messages[id] != 1 {
				t.Errorf("limit %d: order has %d points, %d messages", limit, entries[id], messages[id])
			}
		}

		if len(entries) != orders || len(messages) != orders {
			t.Errorf("limit %d: %d entries, %d messages", limit, len(entries), len(messages))
		}
	}
}

func TestCustomerWithoutOrders(t *testing.T) {
	t.Parallel()
	b := setup(t)

	if r := b.ask(t, "GET", "/users/nobody/points", ""); r.body != `{"user_id":"nobody","balance":0,"entries":[],"next_cursor":""}`+"\n" {
		t.Errorf("points = %s", r.body)
	}

	if r := b.ask(t, "GET", "/users/nobody/notifications", ""); r.body != `{"notifications":[],"next_cursor":""}`+"\n" {
		t.Errorf("notifications = %s", r.body)
	}
}
