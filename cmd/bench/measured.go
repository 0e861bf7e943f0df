package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// loadTimeout bounds a run that got stuck, on top of the load's own duration.
const loadTimeout = 5 * time.Minute

// Measured is one run and what came of it.
type measured struct {
	*bench
	scenario

	title   string
	url     string
	service *service
	looks   int64
	loaded  *loaded
	window  time.Time // end of what counts in a run that does not wait for the last order
	before  usage     // of the processor and the log
	after   usage
	figures figures
}

// load places the orders, waits until they are settled and notes what it took.
func (r *measured) load(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.duration+loadTimeout)
	defer cancel()

	w, err := openWatch(ctx, r.url)
	if err != nil {
		return err
	}

	defer func() {
		r.looks = w.looks
		err = errors.Join(err, w.close(context.WithoutCancel(ctx)))
	}()

	if r.backlog {
		if err := w.swept(ctx); err != nil {
			return err
		}
	}

	l := r.plan()
	stop := r.progress.follow(ctx, r.title, l, w)
	defer stop()

	if err := memoryFigures(r.figures, "start", r.service); err != nil {
		return err
	}

	if r.before, err = r.usage(ctx, r.service); err != nil {
		return err
	}

	if err := r.send(ctx, l); err != nil {
		return err
	}

	if r.window = time.Now(); !r.backlog {
		if err := w.settled(ctx); err != nil {
			return err
		}
	}

	if r.after, err = r.usage(ctx, r.service); err != nil {
		return err
	}

	private, err := privateOfFamily(r.postgres.pid)
	if err != nil {
		return err
	}

	r.figures["postgres_private_mib"] = mebibytes(private)

	return memoryFigures(r.figures, "end", r.service)
}

// plan is the load that the scenario asks for.
func (r *measured) plan() *load {
	l := &load{
		workload: r.work, addresses: r.service.addresses(), connections: r.Connections, duration: r.duration,
		keys: strconv.FormatInt(time.Now().UnixNano(), 36) + "-",
	}

	if r.rate > 0 {
		l.rate = r.rate * r.report.capacity()

		return l
	}

	if l.duration == 0 {
		l.orders = r.OrdersPerRun
		if n := r.orders; n > 0 {
			l.orders = min(n, l.orders)
		}
	}

	return l
}

// send runs the load, and beside it what the scenario wants to look at meanwhile.
func (r *measured) send(ctx context.Context, l *load) (err error) {
	meanwhile, end := context.WithCancel(ctx)
	defer end()

	var beside errgroup.Group

	if r.commits {
		beside.Go(func() error { return commitAlone(meanwhile, r.url, r.figures) })
	}

	if r.samples {
		beside.Go(func() error { return r.sampleQueue(meanwhile, l) })
	}

	r.loaded, err = l.send(ctx)

	end()

	return errors.Join(err, beside.Wait())
}

// counted notes what Postgres has counted, without what the watch has asked.
func (r *measured) counted(before, after counts) {
	perThousand := 1000 / float64(max(len(r.loaded.accepted), 1))

	r.figures["deadlocks"] = float64(after.deadlocks - before.deadlocks)
	r.figures["transactions_per_1000"] = float64(after.transactions-before.transactions-r.looks) * perThousand

	if r.postgres.statements {
		r.figures["statements_per_1000"] = float64(after.statements-before.statements-r.looks) * perThousand
	}
}

// read asks the database what was settled when, and proves that it was.
func (r *measured) read(ctx context.Context) error {
	pool, err := pgxpool.New(ctx, r.url)
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer pool.Close()

	r.latencies()

	if r.backlog {
		n, err := workedWithin(ctx, pool, r.loaded.start, r.window)
		if err != nil {
			return err
		}

		r.after.per1000(r.figures, r.before, n)
		r.figures["settled"] = float64(n)
		r.figures["settled_per_s"] = perSecond(n, r.window.Sub(r.loaded.start))

		return r.prove(ctx, pool)
	}

	done, err := readSettled(ctx, pool, r.loaded.start)
	if err != nil {
		return err
	}

	r.after.per1000(r.figures, r.before, len(r.loaded.accepted))
	r.figures["settled"] = float64(done.Orders)
	r.figures["settled_per_s"] = perSecond(done.Orders, done.Last.Sub(r.loaded.start))
	r.figures["settle_p50_ms"], r.figures["settle_p99_ms"], r.figures["settle_max_ms"] = done.P50, done.P99, done.Max

	return r.prove(ctx, pool)
}

// latencies notes what the connections have seen.
func (r *measured) latencies() {
	l := r.loaded

	r.figures["placed"] = float64(len(l.accepted))
	r.figures["placed_per_s"] = perSecond(len(l.accepted), l.end.Sub(l.start))

	for name, share := range map[string]float64{"post_p50_ms": 0.5, "post_p99_ms": 0.99, "post_p999_ms": 0.999} {
		r.figures[name] = milliseconds(percentile(l.latencies, share))
	}

	if r.settings["ORDERS_MAX_WAIT"] != "" {
		r.figures["refused"] = float64(len(l.refused))
		r.figures["unknown"] = float64(len(l.unknown))
		r.figures["refused_per_s"] = perSecond(len(l.refused), l.end.Sub(l.start))
	}

	if len(l.refused) > 0 {
		r.figures["refused_p50_ms"] = milliseconds(percentile(l.refused, 0.5))
		r.figures["refused_p99_ms"] = milliseconds(percentile(l.refused, 0.99))
	}
}
