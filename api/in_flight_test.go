package api_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"

	"orders/api"
	"orders/api/admission"
	"orders/order"
	"orders/order/flow"
)

// As many as may be in flight are; the next is refused at once, with its body
// unread, and served when there is room again.
func TestTooManyRequestsAtOnceAreRefused(t *testing.T) {
	t.Parallel()

	var (
		clients sync.WaitGroup
		entered = make(chan struct{})
		leave   = make(chan struct{})
	)

	b := serve(t, func(o *api.Options) {
		o.Place = func(context.Context, flow.Placement) (flow.Placed, error) {
			entered <- struct{}{}
			<-leave

			return flow.Placed{Order: order.Order{ID: uuid.New(), Status: order.Pending}}, nil
		}
	})

	place := func() {
		if r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1)); r.status != 201 {
			t.Errorf("one of those in flight: %d %s", r.status, r.body)
		}
	}

	for range admission.MaxInFlight {
		clients.Go(place)
		<-entered
	}

	for _, path := range []string{"/orders", "/orders/" + uuid.NewString() + "/cancel", "/orders/" + uuid.NewString() + "/payment"} {
		r := b.ask(t, "POST", path, `{"nonsense`)
		wantProblem(t, r, 503, order.InFlightLimit)

		if got := r.header.Get("Retry-After"); got != "1" {
			t.Errorf("%s: Retry-After %q", path, got)
		}
	}

	if line := b.log.line(t, "requests are refused"); line == nil || line["cause"] != string(order.InFlightLimit) || line["limit"] != float64(admission.MaxInFlight) {
		t.Errorf("the log has %v", line)
	}

	if r := b.ask(t, "GET", "/healthz", ""); r.status != 200 {
		t.Errorf("who asks for nothing to be done: %d", r.status)
	}

	close(leave)
	clients.Wait()
	clients.Go(place)
	<-entered
	clients.Wait()
}
