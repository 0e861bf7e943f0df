package telemetry

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"orders/db/audit"
	"orders/db/gauge"
	"orders/order"
)

const (
	readAgain   = 5 * time.Second // scrapes within it share a reading, whether it failed or not
	readTimeout = 2 * time.Second // less than Prometheus waits for a scrape: 10 s
)

// databaseCollector tells what the database says: the same in each process, so take the maximum over
// processes, and not the sum. If it cannot be read, only orders_database_up is there.
type databaseCollector struct {
	read func(context.Context) (gauge.Reading, error)
	log  *slog.Logger

	mu      sync.Mutex
	at      time.Time
	reading gauge.Reading
	err     error
	settled settled
}

func newDatabaseCollector(pool *pgxpool.Pool, log *slog.Logger) *databaseCollector {
	c := &databaseCollector{log: log}
	c.read = func(ctx context.Context) (gauge.Reading, error) {
		r, err := gauge.Read(ctx, pool)
		if err != nil {
			return r, err //nolint:wrapcheck // it says what was being done
		}

		return r, c.settled.read(ctx, pool, r.At)
	}

	return c
}

// The metrics that the database tells.
var (
	databaseUp = desc("orders_database_up",
		"1 if the database was read for this scrape, or within 5 s before; 0 if that failed. What comes from it is missing then.")

	queueJobs = desc("orders_queue_jobs",
		"Jobs of a queue, by state. They are counted up to "+most+"; a larger number is an estimate from a sample.", "queue", "state")
	queueOrders = desc("orders_queue_orders",
		"Orders of these jobs, which orders share.", "queue", "state")
	queueOldest = desc("orders_queue_oldest_seconds",
		"How long the oldest job of a queue has waited that might run; 0 if none waits.", "queue")
	queuePaused = desc("orders_queue_paused",
		"1 if an operator has paused the queue.", "queue")
	queueWorkers = desc("orders_queue_workers",
		"Living workers that work a queue.", "queue")

	lettersOpen = desc("orders_dead_letters_open",
		"Open dead letters, by kind, and whether they need an operator; the first "+most+" of each kind.", "kind", "attention")
	findingsOpen = desc("orders_audit_findings_open",
		"Open findings of the audit, by invariant; up to "+most+".", "invariant")
	auditFinished = desc("orders_audit_finished_timestamp_seconds",
		"When the last audit of a mode was finished: incremental, by the periodic job, or full, by `orders audit`.", "mode")

	workersCount = desc("orders_workers",
		"Workers that live, and those that were found dead within the last hour.", "state")
	leader = desc("orders_leader",
		"1 if a worker is the leader, which schedules retries and periodic jobs.")
	rescuedJobs = desc("orders_rescued_jobs",
		"Jobs that were rescued from workers found dead within the last hour.")

	sweepFailures = desc("orders_sweep_failures",
		"Runs of a sweep that have failed since the last that did not.", "sweep")
	sweepRan = desc("orders_sweep_ran_timestamp_seconds",
		"When a sweep ran last.", "sweep")

	lowStock = desc("orders_products_low_stock",
		"Products whose stock is below their threshold, up to "+strconv.Itoa(gauge.MostLow)+".")
	oldSnapshots = desc("orders_old_snapshots",
		"Holders of old snapshots, which slow the queues down: report sessions names them.")
	standbys = desc("orders_standbys",
		"Servers that replicate from this one. None are seen without the privileges of pg_read_all_stats.")
	standbyBytes = desc("orders_standby_lag_bytes",
		"WAL that the standby which is furthest behind has not replayed.")
	standbyLag = desc("orders_standby_lag_seconds",
		"How far that standby's replay is behind, as Postgres measured it last.")
)

var most = strconv.Itoa(gauge.Most)

// Describe is for Prometheus.
func (*databaseCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		databaseUp, settledOrders, settleSeconds,
		queueJobs, queueOrders, queueOldest, queuePaused, queueWorkers, lettersOpen, findingsOpen, auditFinished,
		workersCount, leader, rescuedJobs, sweepFailures, sweepRan, lowStock, oldSnapshots, standbys, standbyBytes, standbyLag,
		endpoints, endpointFailing, endpointLag, deliveriesWaiting,
	} {
		to <- d
	}
}

// Collect is for Prometheus.
func (c *databaseCollector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()

	r, err := c.latest()

	to <- gaugeOf(databaseUp, boolean(err == nil))

	if err != nil {
		return
	}

	c.settled.collect(to)
	collectQueues(to, r)
	collectProblems(to, r)
	collectEndpoints(to, r)

	to <- gaugeOf(workersCount, float64(r.Workers.Alive), "alive")
	to <- gaugeOf(workersCount, float64(r.Workers.Dead), "dead")
	to <- gaugeOf(rescuedJobs, float64(r.Workers.Rescued))
	to <- gaugeOf(leader, boolean(r.Leader != ""))
	to <- gaugeOf(lowStock, float64(r.LowStock))
	to <- gaugeOf(oldSnapshots, float64(r.OldSnapshots))

	for _, s := range r.Sweeps {
		to <- gaugeOf(sweepFailures, float64(s.Failures), s.Name)
		to <- gaugeOf(sweepRan, seconds(s.RanAt), s.Name)
	}

	var furthest gauge.Standby

	for _, s := range r.Standbys {
		furthest.Bytes, furthest.Lag = max(furthest.Bytes, s.Bytes), max(furthest.Lag, s.Lag)
	}

	to <- gaugeOf(standbys, float64(len(r.Standbys)))
	to <- gaugeOf(standbyBytes, float64(furthest.Bytes))
	to <- gaugeOf(standbyLag, furthest.Lag.Seconds())
}

func collectQueues(to chan<- prometheus.Metric, r gauge.Reading) {
	for _, q := range r.Queues {
		for state, depth := range map[string]gauge.Depth{
			"waiting": q.Waiting, "running": q.Running, "retrying": q.Retrying, "scheduled": q.Scheduled,
		} {
			to <- gaugeOf(queueJobs, float64(depth.Jobs), q.Name, state)
			to <- gaugeOf(queueOrders, float64(depth.Orders), q.Name, state)
		}

		to <- gaugeOf(queueOldest, q.Age(r.At).Seconds(), q.Name)
		to <- gaugeOf(queuePaused, boolean(q.Paused != nil), q.Name)
		to <- gaugeOf(queueWorkers, float64(q.Workers), q.Name)
	}
}

func collectProblems(to chan<- prometheus.Metric, r gauge.Reading) {
	letters := map[string]gauge.Letters{}
	for _, step := range order.Steps() {
		letters[string(step.Name)] = gauge.Letters{}
	}

	for _, l := range r.Letters {
		letters[l.Kind] = l
	}

	for kind, l := range letters {
		to <- gaugeOf(lettersOpen, float64(l.Attention), kind, "true")
		to <- gaugeOf(lettersOpen, float64(l.Open-l.Attention), kind, "false")
	}

	open := map[string]int64{}
	for _, i := range audit.Invariants() {
		open[i.Name] = 0
	}

	for _, f := range r.Findings {
		open[f.Invariant] = f.Open
	}

	for name, n := range open {
		to <- gaugeOf(findingsOpen, float64(n), name)
	}

	for _, run := range r.Audits {
		to <- gaugeOf(auditFinished, seconds(run.FinishedAt), run.Mode)
	}
}

// latest is the last reading, or a new one if that is old. Call it with the lock.
func (c *databaseCollector) latest() (gauge.Reading, error) {
	if time.Since(c.at) < readAgain {
		return c.reading, c.err
	}

	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()

	failed := c.err != nil
	c.reading, c.err = c.read(ctx)
	c.at = time.Now()

	if c.err != nil && !failed {
		c.log.WarnContext(ctx, "metrics of the database are missing", "error", c.err)
	}

	return c.reading, c.err
}

func boolean(is bool) float64 {
	if is {
		return 1
	}

	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1_000 } //nolint:mnd // milliseconds
