package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"orders/api"
	"orders/db/timeline"
	"orders/order"
)

type timelineBody struct {
	OrderID   uuid.UUID           `json:"order_id"`
	Entries   []api.TimelineEntry `json:"entries"`
	Truncated bool                `json:"truncated"`
}

func (b *bundle) timeline(t *testing.T, id uuid.UUID) timelineBody {
	t.Helper()

	body := as[timelineBody](t, b.ask(t, "GET", "/orders/"+id.String()+"/timeline", ""), 200)

	if !slices.IsSortedFunc(body.Entries, func(x, y api.TimelineEntry) int { return x.At.Compare(y.At) }) {
		t.Errorf("not in the order of time: %s", lines(body.Entries))
	}

	if body.OrderID != id {
		t.Errorf("order %s", body.OrderID)
	}

	return body
}

// lines are the entries, one a line.
func lines(entries []api.TimelineEntry) string {
	var text strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&text, "%s %s %s %q\n", e.Type, e.Step, e.Actor, e.Text)
	}

	return text.String()
}

// without drops the entries of a type.
func without(entries []api.TimelineEntry, entryType timeline.Type) []api.TimelineEntry {
	return slices.DeleteFunc(slices.Clone(entries), func(e api.TimelineEntry) bool { return e.Type == entryType })
}

const internalError = "an internal error; operators see its text in the job"

// fail makes the order's job of the kind fail and be given up.
func (b *bundle) fail(t *testing.T, kind string, id uuid.UUID) {
	t.Helper()

	const one = `UPDATE river_job
		SET attempt = attempt + 1,
			attempted_at = now(),
			attempted_by = '{host_1}',
			state = 'retryable',
			errors = array_append(errors, jsonb_build_object('at', now(), 'attempt', attempt + 1, 'error', 'pq: relation "secret" does not exist', 'trace', ''))
		WHERE kind = $1 AND args @> jsonb_build_object('order_id', $2::uuid)`

	b.exec(t, one, kind, id)
	b.exec(t, one, kind, id)
	b.exec(t, `UPDATE river_job SET state = 'discarded', finalized_at = now() WHERE kind = $1 AND args @> jsonb_build_object('order_id', $2::uuid)`, kind, id)
}

func TestTimelineTellsAllOfAnOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 100)

	id := b.place(t, "u-1", "tea", 2).ID
	b.fail(t, "points", id)
	b.settle(t, id)
	b.exec(t, `UPDATE dead_letters SET attention_at = now() WHERE order_id = $1`, id)
	b.exec(t, `INSERT INTO redrives (operation_id, job_id, outcome, new_job_id, actor, note)
		SELECT gen_random_uuid(), job_id, 'redriven', 99, 'cli:eva', 'table is back' FROM dead_letters WHERE order_id = $1`, id)
	b.exec(t, `UPDATE dead_letters SET resolved_at = now(), resolution = 'redriven', resolved_by = 'cli:eva' WHERE order_id = $1`, id)
	b.exec(t, `INSERT INTO order_events (order_id, type, detail) VALUES ($1, 'missing_job', '{"step":"points"}')`, id)
	b.exec(t, `INSERT INTO deliveries (endpoint_id, event_seq, event_id, event_type, event_at, order_id, state, attempts, status, answer)
		VALUES ('00000000-0000-0000-0000-000000000007', 1, 'x', 'order.created', now(), $1, 'sent', 2, 200, 'secret')`, id)

	if r := b.ask(t, "POST", "/orders/"+id.String()+"/cancel", `{"reason":"by mistake"}`); r.status != 200 {
		t.Fatalf("cancel: %d %s", r.status, r.body)
	}

	want := `placed   "The order was placed: total 25.00 EUR."
attempt points  "Attempt 1 of the points job failed: ` + internalError + `."
attempt points  "Attempt 2 of the points job failed: ` + internalError + `."
dead_letter points  "The points job was given up after 2 attempts: ` + internalError + `."
step inventory  "Stock was taken: 2 pieces of 1 product."
status   "The order is confirmed."
step points  "The customer earned 10 points."
step notification  "The customer was notified: your order has been created."
attention points  "The dead points job needs an operator."
redrive points cli:eva "The points job's work was given a new job: table is back."
event points  "The points step had no job; its job was enqueued again."
delivery   "Event order.created was sent to webhook 00000000-0000-0000-0000-000000000007, in 2 attempts."
status  api "The order is cancelled: by mistake."
step inventory  "Stock was given back: 2 pieces of 1 product."
step points  "The points were taken back: -10."
step notification  "The customer was notified: your order has been cancelled."
`

	before := b.timeline(t, id)
	if got := lines(before.Entries); got != want {
		t.Errorf("timeline:\n%swant:\n%s", got, want)
	}

	if strings.Contains(fmt.Sprint(before), "secret") {
		t.Errorf("the timeline shows internals: %v", before)
	}

	b.exec(t, `DELETE FROM river_job`)

	if got := lines(b.timeline(t, id).Entries); got != want {
		t.Errorf("after the queue's rows are gone:\n%swant:\n%s", got, want)
	}
}

func TestTimelineOfAHeldOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 100)

	body := strings.Replace(placeBody("u-1", "tea", 2), "{", `{"hold_seconds":3600,`, 1)
	id := as[api.Order](t, b.ask(t, "POST", "/orders", body), 201).ID

	b.apply(t, order.Inventory, id)
	as[api.Order](t, b.ask(t, "POST", "/orders/"+id.String()+"/payment", `{"reference":"pay-1"}`), 200)

	want := `placed   "The order was placed: total 25.00 EUR."
step inventory  "Stock was taken: 2 pieces of 1 product."
status   "The order awaits its payment."
payment  api "The order was paid: reference pay-1."
status   "The order is confirmed."
`
	if got := lines(b.timeline(t, id).Entries); got != want {
		t.Errorf("timeline:\n%swant:\n%s", got, want)
	}
}

func TestTimelineShowsRunningAttempts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 100)
	id := b.place(t, "u-1", "tea", 2).ID

	b.exec(t, `UPDATE river_job SET state = 'completed', attempt = 1, attempted_at = now(), finalized_at = now() WHERE kind = 'points'`)
	b.exec(t, `UPDATE river_job SET state = 'running', attempt = 3, attempted_at = now() WHERE kind = 'inventory'`)

	// Of a job that has completed, only the effect is listed.
	const want = "attempt inventory  \"Attempt 3 of the inventory job began.\"\n"
	if got := lines(without(b.timeline(t, id).Entries, timeline.Placed)); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestTimelineIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 100)
	id := b.place(t, "u-1", "tea", 2).ID

	b.exec(t, `INSERT INTO order_events (order_id, type, at) SELECT $1, 'event-' || n, now() + n * interval '1 s' FROM generate_series(1, 999) AS n`, id)

	if got := b.timeline(t, id); len(got.Entries) != 1_000 || got.Truncated || got.Entries[0].Type != timeline.Placed {
		t.Errorf("%d entries, truncated: %t", len(got.Entries), got.Truncated)
	}

	b.exec(t, `INSERT INTO order_events (order_id, type, at) VALUES ($1, 'last', now() + interval '1 h')`, id)

	if got := b.timeline(t, id); len(got.Entries) != 1_000 || !got.Truncated || got.Entries[999].Text != "last." {
		t.Errorf("%d entries, truncated: %t", len(got.Entries), got.Truncated)
	}

	wantProblem(t, b.ask(t, "GET", "/orders/"+uuid.NewString()+"/timeline", ""), 404, order.NotFound)
}

func TestTimelineTimesAreUTC(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 100)

	if at := b.timeline(t, b.place(t, "u-1", "tea", 2).ID).Entries[0].At; at.Location() != time.UTC || time.Since(at) > time.Minute {
		t.Errorf("placed at %s", at)
	}
}
