package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"orders/order"
)

type timelineBody struct {
	OrderID   uuid.UUID     `json:"order_id"`
	Entries   []order.Entry `json:"entries"`
	Truncated bool          `json:"truncated"`
}

func (b *bundle) timeline(t *testing.T, id uuid.UUID) timelineBody {
	t.Helper()

	body := as[timelineBody](t, b.ask(t, "GET", "/orders/"+id.String()+"/timeline", ""), 200)

	if !slices.IsSortedFunc(body.Entries, func(x, y order.Entry) int { return x.At.Compare(y.At) }) {
		t.Errorf("not in the order of time: %s", told(body.Entries))
	}

	if body.OrderID != id {
		t.Errorf("order %s", body.OrderID)
	}

	return body
}

// told are the entries as lines.
func told(entries []order.Entry) string {
	var text strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&text, "%s %s %s %q\n", e.Type, e.Step, e.Actor, e.Text)
	}

	return text.String()
}

// retold drops the line of an entry from a told timeline.
func without(entries []order.Entry, entryType order.EntryType) []order.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e order.Entry) bool { return e.Type == entryType })
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
	b.exec(t, `INSERT INTO order_events (order_id, type, detail) VALUES ($1, 'orphan', '{"step":"points"}')`, id)

	if r := b.ask(t, "POST", "/orders/"+id.String()+"/cancel", `{"reason":"by mistake"}`); r.status != 200 {
		t.Fatalf("cancel: %d %s", r.status, r.body)
	}

	want := `placed   "The order was placed: total 2500 EUR in minor units."
attempt points  "Attempt 1 of the points job failed: ` + internalError + `."
attempt points  "Attempt 2 of the points job failed: ` + internalError + `."
dead-letter points  "The points job was given up after 2 attempts: ` + internalError + `."
stock inventory  "Stock was taken: 2 pieces of 1 products."
points points  "The customer earned 10 points."
status   "The order is confirmed."
notification notification  "The customer was told: your order has been created."
attention points  "The dead points job was put before people."
redrive points cli:eva "The points job's work was given a new job: table is back."
event points  "The points step had no job; it was enqueued again."
stock inventory  "Stock was given back: 2 pieces of 1 products."
points points  "The points were taken back: -10."
status  api "The order is cancelled: by mistake."
notification notification  "The customer was told: your order has been cancelled."
`

	before := b.timeline(t, id)
	if got := told(before.Entries); got != want {
		t.Errorf("timeline:\n%swant:\n%s", got, want)
	}

	if strings.Contains(fmt.Sprint(before), "secret") {
		t.Errorf("the timeline shows internals: %v", before)
	}

	b.exec(t, `DELETE FROM river_job`)

	if got := told(b.timeline(t, id).Entries); got != want {
		t.Errorf("after the queue's rows are gone:\n%swant:\n%s", got, want)
	}
}

func TestTimelineOfAHeldOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 100)

	body := strings.Replace(placeBody("u-1", "tea", 2), "{", `{"hold_seconds":3600,`, 1)
	id := as[order.Order](t, b.ask(t, "POST", "/orders", body), 201).ID

	b.reserve(t, id)
	as[order.Order](t, b.ask(t, "POST", "/orders/"+id.String()+"/payment", `{"reference":"pay-1"}`), 200)

	want := `placed   "The order was placed: total 2500 EUR in minor units."
stock inventory  "Stock was taken: 2 pieces of 1 products."
status   "The order is awaiting_payment."
payment   "The order was paid: reference pay-1."
status   "The order is confirmed."
`
	if got := told(b.timeline(t, id).Entries); got != want {
		t.Errorf("timeline:\n%swant:\n%s", got, want)
	}
}

func TestTimelineShowsRunsThatGoOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 100)
	id := b.place(t, "u-1", "tea", 2).ID

	b.exec(t, `UPDATE river_job SET state = 'completed', attempt = 1, attempted_at = now(), finalized_at = now() WHERE kind = 'points'`)
	b.exec(t, `UPDATE river_job SET state = 'running', attempt = 3, attempted_at = now() WHERE kind = 'inventory'`)

	// Of the job that has completed, the effect is told and nothing else.
	const want = "attempt inventory  \"Attempt 3 of the inventory job began.\"\n"
	if got := told(without(b.timeline(t, id).Entries, order.PlacedEntry)); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestTimelineIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 100)
	id := b.place(t, "u-1", "tea", 2).ID

	b.exec(t, `INSERT INTO order_events (order_id, type, at) SELECT $1, 'event-' || n, now() + n * interval '1 s' FROM generate_series(1, 999) AS n`, id)

	if got := b.timeline(t, id); len(got.Entries) != 1_000 || got.Truncated || got.Entries[0].Type != order.PlacedEntry {
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
