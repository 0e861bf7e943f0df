package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"orders/cmd/bench/check"
	"orders/cmd/bench/database"
	"orders/cmd/bench/load"
	"orders/cmd/bench/receiver"
	"orders/cmd/bench/report"
	"orders/cmd/bench/server"
	"orders/db"
	"orders/order"
)

const (
	loadTimeout = 5 * time.Minute // of a run that is stuck, in addition to the duration of its load
	drainTimes  = 4               // a backlog may take several times as long to drain
	waitEvery   = 50 * time.Millisecond
)

// A measurement is one run.
type measurement struct {
	*Runner
	Scenario

	title     string
	database  string
	url       string
	receivers []*receiver.Receiver
	healed    time.Time // the end of an outage
	service   server.Service
	observer  *pgxpool.Pool
	load      *load.Load
	loaded    *load.Result
	end       time.Time          // of a load over a backlog
	before    map[string]float64 // used before the load
	after     map[string]float64 // used when the orders have settled
	figures   report.Figures
}

// runAlone measures without processes.
func (m *measurement) runAlone(ctx context.Context) error {
	m.Progress.Updatef("%s", m.title)

	pool, err := db.Open(ctx, m.url)
	if err != nil {
		return err
	}
	defer pool.Close()

	m.figures["settled_per_s"], err = m.alone(ctx, pool, m.Orders)

	return err
}

// run measures real processes under load, stops them, and checks their work.
func (m *measurement) run(ctx context.Context) (err error) {
	before, err := m.Postgres.Counts(ctx, m.database)
	if err != nil {
		return err
	}

	databaseURL := m.url
	if m.distance > 0 {
		until, cancel := context.WithCancel(ctx)
		defer cancel()

		if databaseURL, err = server.Distant(until, m.url, m.distance); err != nil {
			return err
		}
	}

	defer func() { err = errors.Join(err, m.closeReceivers()) }()

	if err := m.startReceivers(ctx); err != nil {
		return err
	}

	m.service, err = server.Start(ctx, server.Options{
		Program: m.Program, DatabaseURL: databaseURL, LogDir: filepath.Join(m.LogDir, m.title),
		Processes: m.processes, Baseline: m.baseline, Settings: m.settings, AllowPrivate: len(m.receivers) > 0,
	})
	if err != nil {
		return err
	}

	if err := errors.Join(m.observe(ctx), m.service.Stop()); err != nil {
		return err
	}

	after, err := m.Postgres.Counts(ctx, m.database)
	if err != nil {
		return err
	}

	m.figures.PerThousand(before, after, len(m.loaded.Accepted))
	m.figures["deadlocks"] = after["deadlocks"] - before["deadlocks"]

	pool, err := pgxpool.New(ctx, m.url)
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer pool.Close()

	m.latencies()

	return errors.Join(m.settled(ctx, pool), check.Orders(ctx, pool, m.work, m.loaded), m.checkDelivered(ctx, pool))
}

// observe runs the load, and beside it the observers.
func (m *measurement) observe(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, drainTimes*m.duration+loadTimeout)
	defer cancel()

	// What observers look for is hardly ever there, which is fast with an index.
	if m.observer, err = pgxpool.New(ctx, m.url+"&enable_seqscan=off&default_query_exec_mode=simple_protocol"); err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer m.observer.Close()

	m.load = m.plan()

	running, ctx := errgroup.WithContext(ctx)
	untilEnd, end := context.WithCancel(ctx)

	for _, observe := range append(m.observers, (*measurement).showProgress) {
		running.Go(func() error {
			if err := observe(m, untilEnd); untilEnd.Err() == nil {
				return err
			}

			return nil
		})
	}

	running.Go(func() error {
		defer end()

		return m.place(ctx)
	})

	return running.Wait()
}

// plan makes the load of the scenario.
func (m *measurement) plan() *load.Load {
	capacity, measured := m.Report.Median(m.capacityOf, "settled_per_s")
	if !measured {
		capacity, _ = m.Report.Median(plainName, "settled_per_s")
	}

	l := &load.Load{
		Workload: m.work, Addresses: m.service.Addresses(), Connections: m.Connections, Duration: m.duration, Rate: m.rate * capacity,
		KeyPrefix: strconv.FormatInt(time.Now().UnixNano(), 36) + "-",
	}

	if m.duration == 0 {
		l.Orders = min(m.Orders, cmp.Or(m.orders, m.Orders))
	}

	return l
}

// place places the orders, waits until they have settled, and reads what that took.
func (m *measurement) place(ctx context.Context) (err error) {
	if m.backlog { // at its start the leader looks at all waiting orders, which takes time
		if err := database.Await(ctx, waitEvery, m.observer, query("leader-is-idle")); err != nil {
			return err
		}
	}

	if m.before, err = m.Postgres.Usage(ctx, m.service, m.Broker); err != nil {
		return err
	}

	if m.loaded, err = m.load.Run(ctx); err != nil {
		return err
	}

	if err := m.endOutage(ctx); err != nil {
		return err
	}

	if m.end = time.Now(); !m.backlog {
		done := "no-live-jobs"
		if m.NeedsBroker() {
			done = "all-steps-done"
		}

		if err := database.Await(ctx, waitEvery, m.observer, query(done)); err != nil {
			return err
		}
	}

	maps.Copy(m.figures, m.service.Memory())

	if m.after, err = m.Postgres.Usage(ctx, m.service, m.Broker); err != nil {
		return err
	}

	return m.delivered(ctx)
}

// latencies computes the figures of the load.
func (m *measurement) latencies() {
	l, f := m.loaded, m.figures
	f["placed"] = float64(len(l.Accepted))
	f["placed_per_s"] = f["placed"] / l.End.Sub(l.Start).Seconds()
	f["post_p50_ms"] = report.Percentile(l.Latencies, 0.5)
	f["post_p99_ms"] = report.Percentile(l.Latencies, 0.99)
	f["post_p999_ms"] = report.Percentile(l.Latencies, 0.999)

	if commit, measured := f["commit_p99_ms"]; measured {
		f["post_p99_above_commit_ms"] = f["post_p99_ms"] - commit
	}

	if n := len(l.Refused); n > 0 {
		f["refused"] = float64(n)
		f["refused_p99_ms"] = report.Percentile(l.Refused, 0.99)
	}
}

// settled reads how many orders settled, and when. Over a backlog it reads the work
// that was done during the load, whose own orders still wait.
func (m *measurement) settled(ctx context.Context, pool *pgxpool.Pool) error {
	first, err := database.FirstOrder(ctx, pool, m.loaded.Start)
	if err != nil {
		return err
	}

	name, args := "settle-times", []any{m.loaded.Start, first}
	if m.backlog {
		name, args = "worked-within", []any{m.loaded.Start, m.end}
		m.loaded.Statuses = map[order.Status]int{order.Pending: len(m.loaded.Accepted)}
	}

	rows, _ := pool.Query(ctx, query(name), args...) // CollectExactlyOneRow returns its error

	figures, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
	if err != nil {
		return fmt.Errorf("count settled orders: %w", err)
	}

	for figure, value := range figures {
		m.figures[figure], _ = value.(float64)
	}

	m.figures.PerThousand(m.before, m.after, int(m.figures["settled"]))

	return nil
}
