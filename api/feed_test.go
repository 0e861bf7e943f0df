package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"orders/api"
	"orders/db/event"
	"orders/order"
)

type eventPage struct {
	Events []event.CloudEvent `json:"events"`
	Next   string             `json:"next"`
}

// told reads events until there are as many as wanted. Open transactions of other tests hold events
// back for moments.
func (b *bundle) told(t *testing.T, query string, want int) (events []event.CloudEvent, next string) {
	t.Helper()

	for after := ""; len(events) < want; after = "&after=" + next {
		page := as[eventPage](t, b.ask(t, "GET", "/events?wait=1&"+query+after, ""), 200)
		events, next = append(events, page.Events...), page.Next
	}

	return events, next
}

// Another service follows an order: what became true, in its order, as CloudEvents without personal data.
func TestFollowEvents(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.stock(t, "tea", 100, 3)

	body := strings.Replace(placeBody("secret-user", "tea", 2), `{`, `{"reference":"web-7","note":"secret note",`, 1)
	first := as[api.Order](t, b.ask(t, "POST", "/orders", body), 201).ID
	b.settle(t, first)
	second := b.place(t, "secret-user", "tea", 2).ID // there is one left
	b.settle(t, second)
	b.ask(t, "POST", "/orders/"+first.String()+"/cancel", `{"reason":"secret reason"}`)

	want := []string{
		fmt.Sprint("order.created ", first, " pending"), fmt.Sprint("order.confirmed ", first, " confirmed"),
		fmt.Sprint("points.earned ", first, " "), fmt.Sprint("order.created ", second, " pending"),
		fmt.Sprint("order.rejected ", second, " rejected out_of_stock"),
		fmt.Sprint("order.cancelled ", first, " cancelled cancelled_by_client"), fmt.Sprint("points.reversed ", first, " "),
	}

	events, next := b.told(t, "limit=2", len(want))
	for i, e := range events {
		got := strings.TrimSuffix(fmt.Sprint(e.Type, " ", e.Data.OrderID, " ", e.Data.Status, " ", e.Data.ReasonCode), " ")
		if i < len(want) && strings.TrimSpace(got) != strings.TrimSpace(want[i]) {
			t.Errorf("event %d is %q, want %q", i, got, want[i])
		}

		if e.SpecVersion != "1.0" || e.ID != fmt.Sprint(e.Type, ":", e.Subject) || e.Subject != e.Data.OrderID.String() || e.Time.IsZero() {
			t.Errorf("%+v is no CloudEvent", e)
		}

		if wants := map[bool]string{true: "web-7"}[e.Data.OrderID == first]; e.Data.Reference != wants {
			t.Errorf("reference %q", e.Data.Reference)
		}
	}

	if r := b.ask(t, "GET", "/events?limit=1000", ""); strings.Contains(r.body, "secret") {
		t.Errorf("personal data: %s", r.body)
	}

	if rejected, _ := b.told(t, "type=order.rejected,order.failed", 1); len(rejected) != 1 || rejected[0].Data.Status != order.Rejected {
		t.Errorf("of a type: %+v", rejected)
	}

	// A request that waits gets what comes meanwhile.
	answer := make(chan eventPage)

	go func() {
		page := eventPage{Next: next}
		for len(page.Events) == 0 { // open transactions of other tests may hold it back for longer
			page = as[eventPage](t, b.ask(t, "GET", "/events?wait=10&after="+page.Next, ""), 200)
		}

		answer <- page
	}()

	third := b.place(t, "u-1", "tea", 1).ID
	if page := <-answer; len(page.Events) != 1 || page.Events[0].Data.OrderID != third {
		t.Errorf("waited for %+v", page)
	}

	if page := as[eventPage](t, b.ask(t, "GET", "/events?after=latest", ""), 200); len(page.Events) != 0 || page.Next == "" {
		t.Errorf("behind the latest: %+v", page)
	}
}

// A position that cannot be is refused, and so is one behind which events were deleted.
func TestEventPositions(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.stock(t, "tea", 100, 10)
	b.place(t, "u-1", "tea", 1)

	_, next := b.told(t, "limit=1", 1)
	b.place(t, "u-1", "tea", 1)
	b.told(t, "limit=2", 2)

	for _, bad := range []string{"x", "1", "-1-1", "999999-1", "1-1-1"} {
		wantProblem(t, b.ask(t, "GET", "/events?after="+bad, ""), 422, "bad-cursor")
	}

	wantProblem(t, b.ask(t, "GET", "/events?type=order.unknown", ""), 422, "invalid-request")
	wantProblem(t, b.ask(t, "GET", "/events?wait=11", ""), 422, "invalid-request")

	if _, err := b.pool.Exec(t.Context(), `UPDATE event_horizon SET pruned = 2`); err != nil {
		t.Fatal(err)
	}

	problem := wantProblem(t, b.ask(t, "GET", "/events?after="+next, ""), 410, "events-deleted")
	if !strings.Contains(problem.Detail, "after=latest") {
		t.Errorf("detail %q", problem.Detail)
	}

	start := time.Now()
	if page := as[eventPage](t, b.ask(t, "GET", "/events?wait=1&after=latest", ""), 200); len(page.Events) != 0 || time.Since(start) < time.Second {
		t.Errorf("waited %s for %+v", time.Since(start), page)
	}
}
