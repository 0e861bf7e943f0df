package scenario

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/bench/baseline"
	"orders/cmd/bench/database"
	"orders/cmd/bench/load"
	"orders/cmd/bench/report"
	"orders/cmd/bench/server"
)

// A Runner runs scenarios and reports their figures.
type Runner struct {
	Program     string // orders
	LogDir      string
	Orders      int // of a run
	Repeat      int
	Connections int
	Consumers   []int // of each queue of the broker recipe, of which the best is measured
	Keep        bool  // the databases of runs that fail

	Postgres *server.Postgres
	Broker   *server.RabbitMQ // nil if no scenario needs it
	Progress *report.Progress
	Report   *report.Report
}

// Run runs the scenarios. They take turns, so that all of them meet a slower
// machine if it is slower for a while. Those with a shared database, which takes
// long to prepare, have all their runs in the last turn, each beside a plain one.
func (r *Runner) Run(ctx context.Context, chosen []Scenario) error {
	for n := range chosen {
		if chosen[n].NeedsBroker() {
			if err := r.tune(ctx, &chosen[n]); err != nil {
				return err
			}
		}
	}

	for n := range r.Repeat {
		for _, s := range chosen {
			var err error

			switch last := n == r.Repeat-1; {
			case s.shared && last:
				err = r.runShared(ctx, s)
			case !s.shared && (n == 0 || !s.once):
				err = r.runFresh(ctx, s, n+1)
			}

			if err != nil {
				return err
			}
		}
	}

	return nil
}

const tuningOrders = 1000

// tune finds the number of consumers with which the broker recipe settles most, in a short run of each if
// there are several.
func (r *Runner) tune(ctx context.Context, s *Scenario) error {
	settings := func(consumers int) map[string]string {
		return map[string]string{"RABBITMQ_URL": r.Broker.URL, "BROKER_CONSUMERS": strconv.Itoa(consumers)}
	}

	if len(r.Consumers) == 1 {
		s.settings = settings(r.Consumers[0])
		s.description += fmt.Sprintf(", %d consumers a queue", r.Consumers[0])

		return nil
	}

	var best float64

	for _, consumers := range r.Consumers {
		probe := *s
		probe.name, probe.orders = fmt.Sprintf("%s with %d consumers", s.name, consumers), tuningOrders
		probe.settings = settings(consumers)

		err := r.withDatabase(ctx, probe, func(name string) error {
			f, err := r.measure(ctx, probe, 1, name)
			if err == nil && f["settled_per_s"] > best {
				best = f["settled_per_s"]
				s.settings = probe.settings
			}

			return err
		})
		if err != nil {
			return err
		}
	}

	s.description += fmt.Sprintf(", %s consumers a queue: the best of %d", s.settings["BROKER_CONSUMERS"], r.Consumers)

	return nil
}

// runFresh does one run of the scenario in a database of its own.
func (r *Runner) runFresh(ctx context.Context, s Scenario, n int) error {
	return r.withDatabase(ctx, s, func(name string) error {
		f, err := r.measure(ctx, s, n, name)
		if err == nil {
			r.Report.Add(s.name, s.description, f)
		}

		return err
	})
}

// runShared compares each run of the scenario with a plain run just before, as the
// machine has changed since the other scenarios. To drop a database is a
// checkpoint, so both stay until the end.
func (r *Runner) runShared(ctx context.Context, s Scenario) error {
	plain := Scenario{name: "beside " + s.name, work: load.Spread, orders: 12_000}

	return r.withDatabase(ctx, s, func(shared string) error {
		return r.withDatabase(ctx, plain, func(beside string) error {
			for n := range r.Repeat {
				if s.once && n > 0 {
					break
				}

				without, err := r.measure(ctx, plain, n+1, beside)
				if err != nil {
					return err
				}

				f, err := r.measure(ctx, s, n+1, shared)
				if err != nil {
					return err
				}

				f["to_plain"] = f["settled_per_s"] / without["settled_per_s"]
				r.Report.Add(s.name, s.description, f)
			}

			return nil
		})
	})
}

// withDatabase prepares a database for the scenario, and drops it afterwards.
func (r *Runner) withDatabase(ctx context.Context, s Scenario, do func(name string) error) (err error) {
	name := "run_" + strings.ReplaceAll(s.name, " ", "_")

	if err := database.Exec(ctx, r.Postgres.Admin, `CREATE DATABASE `+name+` TEMPLATE `+server.Template); err != nil {
		return err
	}

	defer func() {
		if !r.Keep || err == nil {
			err = errors.Join(err, database.Exec(context.WithoutCancel(ctx), r.Postgres.Admin, `DROP DATABASE `+name+` WITH (FORCE)`))
		}
	}()

	r.Progress.Updatef("%s  preparing", s.name)

	pool, err := pgxpool.New(ctx, r.Postgres.URL(name))
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer pool.Close()

	if err := Prepare(ctx, pool, s); err != nil {
		return fmt.Errorf("prepare %s: %w", s.name, err)
	}

	pool.Close()

	return do(name)
}

// measure does one run of the scenario.
func (r *Runner) measure(ctx context.Context, s Scenario, n int, name string) (report.Figures, error) {
	m := &measurement{
		Runner: r, Scenario: s, title: fmt.Sprintf("%s %d", s.name, n),
		database: name, url: r.Postgres.URL(name), figures: report.Figures{},
	}

	run := m.run
	if s.alone != nil {
		run = m.runAlone
	}

	if err := run(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", m.title, err)
	}

	r.Progress.Printf("%s  %.0f settled/s", m.title, m.figures["settled_per_s"])

	return m.figures, nil
}

//go:embed sql/*.sql
var files embed.FS

// query returns the SQL of a file.
func query(name string) string {
	sql, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) //nolint:forbidigo // a wrong name in this package
	}

	return string(sql)
}

// Prepare makes an empty database as the scenario needs it. A checkpoint is the
// end: after one, Postgres logs a page as a whole at its first change. New tables
// have few pages. In a short run on big tables that is nearly every change, in
// production one in hundreds: shared databases have no other checkpoint.
func Prepare(ctx context.Context, pool *pgxpool.Pool, s Scenario) error {
	if err := database.Exec(ctx, pool, query("stock")); err != nil {
		return err
	}

	if _, err := baseline.Place(ctx, pool, s.work, s.placed); err != nil {
		return err
	}

	if s.prepare != "" {
		if err := database.Exec(ctx, pool, query(s.prepare)); err != nil {
			return err
		}
	}

	return database.Exec(ctx, pool, `VACUUM ANALYZE`, `CHECKPOINT`) // as autovacuum would have done
}
