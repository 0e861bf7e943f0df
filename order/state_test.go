package order_test

import (
	"strings"
	"testing"

	"orders/order"
	"orders/order/message"
)

// Every pair of a status and an event, so that none is an accident.
func TestNext(t *testing.T) {
	t.Parallel()

	const no = order.Status("")

	events := []order.Event{order.Reserve, order.Hold, order.Reject, order.Pay, order.Cancel, order.Expire, order.GiveUp}

	for from, row := range map[order.Status][]order.Status{
		//                       reserve          hold                   reject          pay              cancel           expire         give up
		order.Pending:         {order.Confirmed, order.AwaitingPayment, order.Rejected, order.Pending, order.Cancelled, order.Expired, order.Failed},
		order.AwaitingPayment: {no, no, no, order.Confirmed, order.Cancelled, order.Expired, no},
		order.Confirmed:       {no, no, no, no, order.Cancelled, no, no},
		order.Rejected:        {no, no, no, no, no, no, no},
		order.Expired:         {no, no, no, no, no, no, no},
		order.Cancelled:       {no, no, no, no, order.Cancelled, no, no},
		order.Failed:          {no, no, no, no, no, no, no},
	} {
		for i, want := range row {
			got, err := from.Next(events[i])

			switch {
			case want == no && (order.CodeOf(err) != order.StateConflict || got != from || !strings.Contains(err.Error(), string(from))):
				t.Errorf("%s + %s = %s, %v; want a refusal that names the status", from, events[i], got, err)
			case want != no && (err != nil || got != want):
				t.Errorf("%s + %s = %s, %v; want %s", from, events[i], got, err, want)
			}
		}
	}
}

func TestFinalStatusesLeadNowhereElse(t *testing.T) {
	t.Parallel()

	for _, status := range order.Statuses() {
		moves := 0

		for _, event := range []order.Event{order.Reserve, order.Hold, order.Reject, order.Pay, order.Cancel, order.Expire, order.GiveUp} {
			if next, err := status.Next(event); err == nil && next != status {
				moves++
			}
		}

		if status.Final() != (moves == 0) {
			t.Errorf("%s is final: %t, and has %d moves", status, status.Final(), moves)
		}

		if status.Final() && message.Inbox(order.Template(status), order.English) == "" {
			t.Errorf("the customer is not notified of %s", status)
		}
	}
}
