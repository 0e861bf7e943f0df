package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"orders/cmd/bench/database"
	"orders/cmd/bench/report"
)

// showProgress shows progress once a second. Postgres counts the settled orders anyway,
// up to a second late.
func (m *measurement) showProgress(ctx context.Context) error {
	var settled, last int64

	for database.Sleep(ctx, time.Second) {
		err := m.observer.QueryRow(ctx, `
			SELECT least(
				pg_stat_get_tuples_inserted('stock_movements'::regclass) / $1::bigint,
				pg_stat_get_tuples_inserted('points_entries'::regclass),
				pg_stat_get_tuples_inserted('notifications'::regclass))`, m.work.Lines).Scan(&settled)
		if err != nil {
			return fmt.Errorf("count settled orders: %w", err)
		}

		if last > 0 {
			m.Progress.Updatef("%s  placed %d  settled %d/s", m.title, m.load.Placed.Load(), settled-last)
		}

		last = settled
	}

	return nil
}

// commitAlone measures bare commits: no POST can be faster.
func (m *measurement) commitAlone(ctx context.Context) error {
	var took []time.Duration

	for database.Sleep(ctx, 10*time.Millisecond) {
		start := time.Now()

		err := database.Exec(ctx, m.observer, `SELECT pg_logical_emit_message(true, 'bench', 'a transaction with WAL')`)
		if err != nil && ctx.Err() == nil {
			return err
		}

		took = append(took, time.Since(start))
	}

	slices.Sort(took)
	m.figures["commit_p99_ms"] = report.Percentile(took, 0.99)

	return nil
}

// takeOverWithin is how long the overload goes on after a worker was killed.
const takeOverWithin = 10 * time.Second

// killWorker kills a worker during the load, and measures until the steps that it ran are done, at the end of the run at
// the latest.
func (m *measurement) killWorker(ctx context.Context) error {
	if !database.Sleep(ctx, m.killAfter) {
		return nil
	}

	orders, steps, err := m.killAtWork(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}

	killed := time.Now()

	err = database.Await(ctx, waitEvery, m.observer, query("steps-done"), orders, steps)
	if err != nil && ctx.Err() == nil {
		return err
	}

	took := time.Since(killed).Seconds()
	m.Progress.Printf("%s  %d steps of a killed worker are done after %.1f s", m.title, len(orders), took)

	<-ctx.Done() // until then, the load writes figures
	m.figures["taken_over_s"] = took

	return nil
}

// killAtWork kills a worker that runs jobs, and returns their orders and steps. It stops the process to look at its jobs:
// what Postgres does for it by then ends within the wait.
func (m *measurement) killAtWork(ctx context.Context) (orders, steps []string, err error) {
	for len(orders) == 0 && err == nil {
		var pid int

		if pid, err = m.service.SignalWorker(syscall.SIGSTOP); err != nil || !database.Sleep(ctx, waitEvery) {
			break
		}

		err = m.observer.QueryRow(ctx, query("jobs-of-process"), pid).Scan(&orders, &steps)
		if err == nil && len(orders) == 0 {
			_, err = m.service.SignalWorker(syscall.SIGCONT)
			database.Sleep(ctx, waitEvery)
		}
	}

	_, killErr := m.service.SignalWorker(syscall.SIGKILL)

	return orders, steps, errors.Join(err, killErr)
}

// sampleQueue samples the queue and the memory of the processes.
func (m *measurement) sampleQueue(ctx context.Context) error {
	for start := time.Now(); database.Sleep(ctx, 10*time.Second); {
		s := report.Sample{At: time.Since(start).Seconds(), Placed: m.load.Placed.Load()}

		if err := m.observer.QueryRow(ctx, query("queue-sample")).Scan(&s.Lag, &s.Jobs, &s.Size); err != nil {
			return fmt.Errorf("sample the queue: %w", err)
		}

		memory := m.service.Memory()
		s.ServeRSS, s.WorkRSS = memory["serve_rss_mib"], memory["work_rss_mib"]
		m.Report.Soak = append(m.Report.Soak, s)
		m.Progress.Printf("%s  %.0f s  placed %d  lag %.1f s  river_job %d rows, %d MiB  RSS %.0f and %.0f MiB",
			m.title, s.At, s.Placed, s.Lag, s.Jobs, s.Size>>20, s.ServeRSS, s.WorkRSS)
	}

	return nil
}
