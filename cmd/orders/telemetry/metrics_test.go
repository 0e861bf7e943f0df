package telemetry_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"orders/api/middleware"
	"orders/cmd/orders/telemetry"
	"orders/db/dbtest"
	"orders/db/deadletter"
	"orders/db/delivery"
	"orders/db/groupcommit"
	"orders/db/tally"
	"orders/order"
	"orders/order/flow"
)

// scrape reads the metrics as Prometheus does.
func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()

	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))

	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}

	return w.Body.String()
}

func wants(t *testing.T, text string, lines ...string) {
	t.Helper()

	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}

	if t.Failed() {
		t.Log(text)
	}
}

func TestWhatAProcessDoesIsCounted(t *testing.T) {
	t.Parallel()

	m := telemetry.New(dbtest.Pool(t), slog.New(slog.DiscardHandler), "v7", nil)

	for _, place := range []func(context.Context, flow.Placement) (flow.Placed, error){
		func(context.Context, flow.Placement) (flow.Placed, error) { return flow.Placed{}, nil },
		func(context.Context, flow.Placement) (flow.Placed, error) { return flow.Placed{Replayed: true}, nil },
		func(context.Context, flow.Placement) (flow.Placed, error) { return flow.Placed{}, errors.New("x") },
	} {
		m.Place(place)(t.Context(), flow.Placement{OrderID: uuid.New()})
	}

	m.Request(middleware.Exchange{Route: "POST /orders", Status: 503, Code: order.Overloaded, Took: time.Millisecond})
	m.Request(middleware.Exchange{Route: "GET /orders/{id}", Status: 404, Code: order.NotFound})
	m.Request(middleware.Exchange{Route: middleware.NoRoute, Status: 404})

	_, ended := m.Batch("place")(t.Context(), nil)
	ended(groupcommit.Observation{Items: 3, Took: time.Millisecond, Counts: tally.Counts{"confirmed": 2}})
	ended(groupcommit.Observation{Items: 3, Err: errors.New("x"), Counts: tally.Counts{"confirmed": 2}})

	m.StepDone(order.Points, []time.Duration{20 * time.Millisecond, time.Hour})
	m.AttemptFailed("points", deadletter.Transient)
	m.Rescued(4)
	m.DeliveryAttempted(delivery.Mail, 20*time.Second)
	m.DeliveriesRecorded(delivery.Webhook, []delivery.Result{
		{State: delivery.Sent, Attempts: 1},
		{State: delivery.Waiting, Attempts: 1},
		{State: delivery.Waiting, Attempts: 1, Due: delivery.Due{Attempts: 1}}, // the process ended: no attempt was made
	})

	wants(t, scrape(t, m),
		`orders_placed_total 1`,
		`orders_refused_total{cause="overloaded"} 1`, `orders_refused_total{cause="in-flight-limit"} 0`,
		`orders_http_requests_total{route="POST /orders",status="503"} 1`,
		`orders_http_requests_total{route="none",status="404"} 1`,
		`orders_status_total{status="confirmed"} 2`, `orders_status_total{status="cancelled"} 0`,
		`orders_batch_items_sum{group="place"} 3`, `orders_batch_seconds_count{group="place"} 2`, `orders_batch_failures_total{group="place"} 1`,
		`orders_step_seconds_bucket{step="points",le="0.025"} 1`, `orders_step_seconds_bucket{step="points",le="+Inf"} 2`,
		`orders_attempts_failed_total{class="transient",kind="points"} 1`,
		`orders_rescued_jobs_total 4`,
		`orders_delivery_attempt_seconds_bucket{kind="mail",le="15"} 0`, `orders_delivery_attempt_seconds_bucket{kind="mail",le="30"} 1`,
		`orders_deliveries_total{kind="webhook",state="sent"} 1`, `orders_deliveries_total{kind="webhook",state="waiting"} 1`,
		`orders_deliveries_total{kind="mail",state="failed"} 0`,
	)
}

// The database's numbers are those of a reading, and a database that is away fails no scrape.
func TestTheDatabaseIsReadForAScrape(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	if _, err := pool.Exec(t.Context(), `
		INSERT INTO dead_letters (job_id, kind, queue, args, errors, error, attempts, reason, signature, attention_at)
		VALUES (1, 'points', 'points', '{}', '[]', 'x', 1, 'unknown', 'x', now()), (2, 'points', 'points', '{}', '[]', 'x', 1, 'unknown', 'x', NULL),
			(3, 'later', 'later', '{}', '[]', 'x', 1, 'unknown', 'x', NULL);
		INSERT INTO endpoints (id, kind, url, secret, position_seq, position_n, created_by, failing_since, disabled_at, disabled_reason, disabled_by) VALUES
			('00000000-0000-0000-0000-000000000001', 'webhook', 'x', 'x', 0, 0, 'x', NULL, NULL, NULL, NULL),
			('00000000-0000-0000-0000-000000000002', 'webhook', 'x', 'x', 0, 0, 'x', NULL, now(), 'x', NULL),
			('00000000-0000-0000-0000-000000000003', 'mail', '', '', 0, 0, 'x', now(), NULL, NULL, NULL);
		INSERT INTO deliveries (endpoint_id, event_seq, event_id, event_type, event_at, state, attempts, next_at)
			SELECT '00000000-0000-0000-0000-000000000001', 1, n::text, 'x', now(), 'waiting', 1, now() FROM generate_series(1, 7) AS n;
		INSERT INTO products (sku, name, price, currency, available, low_stock) VALUES ('tea', 'Tea', 1, 'EUR', 1, 2)`); err != nil {
		t.Fatal(err)
	}

	wants(t, scrape(t, telemetry.New(pool, slog.New(slog.DiscardHandler), "v7", nil)),
		`orders_database_up 1`, `orders_leader 0`, `orders_workers{state="alive"} 0`,
		`orders_dead_letters_open{attention="true",kind="points"} 1`, `orders_dead_letters_open{attention="false",kind="points"} 1`,
		`orders_dead_letters_open{attention="false",kind="later"} 1`, `orders_dead_letters_open{attention="true",kind="inventory"} 0`,
		`orders_queue_paused{queue="points"} 0`, `orders_queue_jobs{queue="points",state="waiting"} 0`,
		`orders_endpoints{kind="webhook",state="active"} 1`, `orders_endpoints{kind="webhook",state="disabled_itself"} 1`,
		`orders_endpoints{kind="mail",state="failing"} 1`, `orders_endpoints{kind="mail",state="paused"} 0`,
		`orders_endpoint_lag_seconds{endpoint="mail"} 0`, `orders_endpoint_failing_seconds{endpoint="00000000-0000-0000-0000-000000000001"} 0`,
		`orders_deliveries_waiting{endpoint="00000000-0000-0000-0000-000000000001"} 7`,
		`orders_audit_findings_open{invariant="points-balance"} 0`, `orders_products_low_stock 1`,
	)

	// A minute that becomes final is added to what has settled. It is the next one, so that this process has not missed it.
	var minute time.Time
	if err := pool.QueryRow(t.Context(), `SELECT date_trunc('minute', now()) + interval '1 minute'`).Scan(&minute); err != nil {
		t.Fatal(err)
	}

	exec := func(sql string) {
		t.Helper()

		if _, err := pool.Exec(t.Context(), sql, minute); err != nil {
			t.Fatal(err)
		}
	}

	exec(`INSERT INTO stats_minutes (minute, placed, settled, rejected, cancelled, expired, failed)
		VALUES ($1::timestamptz - interval '2 minutes', 9, 9, 0, 0, 0, 0), ($1, 3, 2, 0, 0, 0, 0)`)
	exec(`INSERT INTO stats_latencies (minute, step, orders) VALUES ($1, 'settle', '{1,1}')`)

	m := telemetry.New(pool, slog.New(slog.DiscardHandler), "v7", nil)
	wants(t, scrape(t, m), `orders_settled_total 0`, `orders_settle_seconds_count 0`)

	exec(`INSERT INTO watermarks (name, at, order_id) VALUES ('stats', $1::timestamptz + interval '1 minute', gen_random_uuid())
		ON CONFLICT (name) DO UPDATE SET at = excluded.at`)
	m.Forget()
	wants(t, scrape(t, m), `orders_settled_total 2`, `orders_settle_seconds_count 2`, `orders_settle_seconds_bucket{le="0.005"} 1`,
		`orders_settle_seconds_bucket{le="0.01"} 2`)

	m = telemetry.New(pool, slog.New(slog.DiscardHandler), "v7", nil)
	pool.Close()

	text := scrape(t, m)
	wants(t, text, `orders_database_up 0`, `orders_placed_total 0`)

	if strings.Contains(text, "orders_leader") {
		t.Error("a gauge of a database that was not read")
	}
}

// What a request costs by its metrics.
func TestNotingARequestAllocatesNothing(t *testing.T) { //nolint:paralleltest // whatever runs meanwhile would be counted, too
	m := telemetry.New(dbtest.Pool(t), slog.New(slog.DiscardHandler), "v7", nil)
	e := middleware.Exchange{Route: "POST /orders", Status: 201, Took: time.Millisecond}

	if n := testing.AllocsPerRun(100, func() { m.Request(e) }); n > 0 {
		t.Errorf("%.0f allocations", n)
	}
}

// What an order costs by the metrics: its request, and its share of the batches that place it and do its steps.
func BenchmarkAnOrder(b *testing.B) {
	const share = 100 // orders of a batch under load

	m := telemetry.New(nil, slog.New(slog.DiscardHandler), "v7", nil)
	place := m.Place(func(context.Context, flow.Placement) (flow.Placed, error) { return flow.Placed{}, nil })
	request := middleware.Exchange{Route: "POST /orders", Status: 201, Took: time.Millisecond}
	after := make([]time.Duration, share)
	batch := m.Batch("place")

	b.ReportAllocs()

	for n := 0; b.Loop(); n++ {
		place(b.Context(), flow.Placement{})
		m.Request(request)

		if n%share == 0 {
			for range 1 + len(order.Steps()) {
				_, ended := batch(b.Context(), nil)
				ended(groupcommit.Observation{Items: share, Took: time.Millisecond})
			}

			for _, step := range order.Steps() {
				m.StepDone(step.Name, after)
			}
		}
	}
}
