// Package telemetry shows what the program does to Prometheus. The other packages know nothing
// of it: they call the functions that they are given.
package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"orders/api/middleware"
	"orders/db/deadletter"
	"orders/db/delivery"
	"orders/db/groupcommit"
	"orders/db/tally"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// Metrics are what this process has counted and measured, and what the database tells.
// No label has a value that grows with the data: no user, product or order.
type Metrics struct {
	traces   *Traces
	database *databaseCollector

	registry *prometheus.Registry

	placed   prometheus.Counter
	statuses *prometheus.CounterVec
	refused  *prometheus.CounterVec
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec

	steps    *prometheus.HistogramVec
	failures *prometheus.CounterVec
	rescued  prometheus.Counter

	deliveries      *prometheus.CounterVec
	deliveryAttempt *prometheus.HistogramVec

	batchItems    *prometheus.HistogramVec
	batchSeconds  *prometheus.HistogramVec
	batchFailures *prometheus.CounterVec
}

// Buckets in seconds. A step settles within a tenth of a second, or after retries within minutes.
var (
	requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}
	batchBuckets   = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}
	attemptBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30} // a webhook may take 15 s
	stepBuckets    = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900}
)

const mostItems = 10 // doublings: up to 512 items a batch, and more

// New makes the metrics of a process. Those of the database are read from pool. The transactions that are
// observed are traced as well.
func New(pool *pgxpool.Pool, log *slog.Logger, version string, traces *Traces) *Metrics {
	registry := prometheus.NewRegistry()
	auto := promauto.With(registry)

	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, label string) *prometheus.HistogramVec {
		return auto.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{label})
	}

	m := &Metrics{
		traces:   traces,
		database: newDatabaseCollector(pool, log),

		registry: registry,

		placed: auto.NewCounter(prometheus.CounterOpts{
			Name: "orders_placed_total", Help: "Orders that this process has placed, without replays.",
		}),
		statuses: counter("orders_status_total", "Orders that this process has moved to a status.", "status"),
		refused:  counter("orders_refused_total", "Orders that were refused, by the problem type.", "cause"),
		requests: counter("orders_http_requests_total", "Requests, by route and status.", "route", "status"),
		latency: histogram("orders_http_request_seconds",
			"Time from a request's header to the end of its response.", requestBuckets, "route"),

		steps: histogram("orders_step_seconds",
			"Time from the placing of an order until its step was done. A held order's later steps wait for its payment.",
			stepBuckets, "step"),
		failures: counter("orders_attempts_failed_total", "Failed attempts of jobs, by kind and class of the error.", "kind", "class"),
		rescued: auto.NewCounter(prometheus.CounterOpts{
			Name: "orders_rescued_jobs_total", Help: "Jobs of dead workers that this process has rescued.",
		}),

		deliveries: counter("orders_deliveries_total",
			"What became of deliveries in this process, by kind and state. The waiting ones are attempts that failed, and are made again.",
			"kind", "state"),
		deliveryAttempt: histogram("orders_delivery_attempt_seconds",
			"Time of an attempt to deliver, whatever came of it.", attemptBuckets, "kind"),

		batchItems: histogram("orders_batch_items", "Requests or orders that shared a transaction, by group commit.",
			prometheus.ExponentialBuckets(1, 2, mostItems), "group"), //nolint:mnd // each twice the one before
		batchSeconds: histogram("orders_batch_seconds",
			"Time of a transaction of a group commit, with its commit.", batchBuckets, "group"),
		batchFailures: counter("orders_batch_failures_total", "Transactions of a group commit that failed.", "group"),
	}

	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&poolCollector{pool: pool},
		m.database,
	)
	auto.NewGaugeVec(prometheus.GaugeOpts{Name: "orders_build_info", Help: "The program that runs; the value is 1."},
		[]string{"version", "go"}).WithLabelValues(version, runtime.Version()).Set(1)

	m.zero()

	return m
}

// zero makes the counters that alerts ask for, so that they are 0 before the first event and not missing.
func (m *Metrics) zero() {
	for _, status := range order.Statuses() {
		if status != order.Pending {
			m.statuses.WithLabelValues(string(status))
		}
	}

	for _, cause := range []order.Code{order.Overloaded, order.InFlightLimit} {
		m.refused.WithLabelValues(string(cause))
	}

	for _, kind := range delivery.Kinds() {
		m.deliveryAttempt.WithLabelValues(string(kind))

		for _, state := range delivery.States() {
			m.deliveries.WithLabelValues(string(kind), string(state))
		}
	}

	for _, policy := range jobs.Policies() {
		for _, class := range deadletter.Reasons() {
			m.failures.WithLabelValues(policy.Kind, string(class))
		}
	}
}

// Handler serves the metrics. A database that cannot be read does not fail a scrape: see
// orders_database_up.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// statusText are the statuses, so that a request allocates no text for its own.
var statusText = func() (texts [600]string) {
	for status := range texts {
		texts[status] = strconv.Itoa(status)
	}

	return texts
}()

// Request notes a request.
func (m *Metrics) Request(e middleware.Exchange) {
	if e.Status >= 0 && e.Status < len(statusText) {
		m.requests.WithLabelValues(e.Route, statusText[e.Status]).Inc()
	}

	m.latency.WithLabelValues(e.Route).Observe(e.Took.Seconds())

	if e.Code != "" && e.Route == "POST /orders" {
		m.refused.WithLabelValues(string(e.Code)).Inc()
	}
}

// A Placer places an order.
type Placer = func(context.Context, flow.Placement) (flow.Placed, error)

// Place counts the orders that do has placed.
func (m *Metrics) Place(do Placer) Placer {
	return func(ctx context.Context, p flow.Placement) (flow.Placed, error) {
		placed, err := do(ctx, p)
		if err == nil && !placed.Replayed {
			m.placed.Inc()
		}

		return placed, err
	}
}

// Batch observes the transactions of a group commit.
func (m *Metrics) Batch(group string) func(context.Context, []context.Context) (context.Context, func(groupcommit.Observation)) {
	return m.traces.batch(group, m.batch(group))
}

func (m *Metrics) batch(group string) observe {
	items, seconds := m.batchItems.WithLabelValues(group), m.batchSeconds.WithLabelValues(group)
	failures := m.batchFailures.WithLabelValues(group)

	return func(ctx context.Context, _ []context.Context) (context.Context, func(groupcommit.Observation)) {
		return ctx, func(o groupcommit.Observation) {
			seconds.Observe(o.Took.Seconds())

			if o.Err != nil {
				failures.Inc()

				return
			}

			items.Observe(float64(o.Items))
			m.Counted(o.Counts)
		}
	}
}

// Counted notes which orders came into which status.
func (m *Metrics) Counted(statuses tally.Counts) {
	for status, n := range statuses {
		m.statuses.WithLabelValues(status).Add(float64(n))
	}
}

// StepDone notes how long orders took until a step was done.
func (m *Metrics) StepDone(step order.StepName, after []time.Duration) {
	seconds := m.steps.WithLabelValues(string(step))

	for _, took := range after {
		seconds.Observe(took.Seconds())
	}
}

// AttemptFailed notes a failed attempt.
func (m *Metrics) AttemptFailed(kind string, class deadletter.Reason) {
	m.failures.WithLabelValues(kind, string(class)).Inc()
}

// Rescued notes jobs of dead workers.
func (m *Metrics) Rescued(jobs int64) { m.rescued.Add(float64(jobs)) }

// DeliveryAttempted notes how long an attempt took.
func (m *Metrics) DeliveryAttempted(kind delivery.Kind, took time.Duration) {
	m.deliveryAttempt.WithLabelValues(string(kind)).Observe(took.Seconds())
}

// DeliveriesRecorded counts what became of deliveries. One that waits without an attempt has not failed.
func (m *Metrics) DeliveriesRecorded(kind delivery.Kind, results []delivery.Result) {
	for _, r := range results {
		if r.State != delivery.Waiting || r.Attempts > r.Due.Attempts {
			m.deliveries.WithLabelValues(string(kind), string(r.State)).Inc()
		}
	}
}
