package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// What a short bench is: enough to see a ratio halved.
const (
	shortOrders = 8000
	shortRepeat = 2
)

// benchCmd is the command line of the bench.
type benchCmd struct {
	Orders       string        `default:"bin/orders" help:"The program to measure."`
	Dir          string        `placeholder:"DIR" help:"Where the databases and logs are; by default a temporary directory."`
	Keep         bool          `help:"Do not remove them at the end."`
	PostgresBin  string        `env:"ORDERS_POSTGRES_BIN" placeholder:"DIR" help:"Where initdb and postgres are; by default in PATH and the usual places."`
	Scenario     []string      `placeholder:"NAME" help:"Only these scenarios: textbook, ceiling, floor, spread, hot, 2 processes, 4 processes, latency, overload, mixed, slow, backlog, history."`
	OrdersPerRun int           `default:"20000" help:"Orders of a run."`
	Repeat       int           `default:"3" help:"Runs of each scenario; the table has their medians."`
	Connections  int           `default:"256" help:"Connections that place orders in the closed model."`
	Short        bool          `help:"Baselines, spread and hot only, with few orders."`
	Check        bool          `help:"Exit 1 when a ratio is below half of its target."`
	Soak         time.Duration `placeholder:"DURATION" help:"Instead: place at 80 % of capacity for so long, and watch the queue."`
	JSON         string        `name:"json" placeholder:"FILE" help:"Write everything as one JSON object; - for standard output, without the table."`
}

// A bench is one on its way.
type bench struct {
	benchCmd

	dir      string
	postgres *postgres
	progress *progress
	report   report
}

// Run measures. It fails when a run fails or its proof does, and with Check
// when a ratio is far off.
func (c benchCmd) Run(ctx context.Context, out output) (err error) {
	if c.Short {
		c.OrdersPerRun, c.Repeat = min(c.OrdersPerRun, shortOrders), min(c.Repeat, shortRepeat)
	}

	b := &bench{benchCmd: c, progress: newProgress(out.stderr)}

	chosen, err := b.choose()
	if err != nil {
		return err
	}

	if err := b.open(ctx); err != nil {
		return err
	}

	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()

	b.report = report{
		Orders: b.OrdersPerRun, Repeat: b.Repeat,
		References: map[string]float64{"broker_spread_settled_per_s": brokerSpread, "broker_hot_settled_per_s": brokerHot},
	}

	if b.report.Machine, err = b.describe(ctx); err != nil {
		return err
	}

	if err := b.runAll(ctx, chosen); err != nil {
		return err
	}

	b.report.judge()

	if err := b.report.write(out.stdout, c.JSON); err != nil {
		return err
	}

	if c.Check {
		return b.report.failed()
	}

	return nil
}

// Validate refuses what would measure nothing.
func (c benchCmd) Validate() error {
	if c.Repeat < 1 || c.OrdersPerRun < 1 || c.Connections < 1 || c.Soak < 0 {
		return errors.New("--repeat, --orders-per-run and --connections are 1 or more, and --soak is none or some time")
	}

	_, err := (&bench{benchCmd: c}).choose()

	return err
}

// choose picks the scenarios that are asked for. Where capacity must be known,
// spread comes with them.
func (b *bench) choose() ([]scenario, error) {
	all, names := scenarios(), b.Scenario

	switch {
	case b.Soak > 0:
		all, names = append(all, b.soakScenario()), []string{"soak"}
	case b.Short && len(names) == 0:
		names = []string{"textbook", "ceiling", "floor", "spread", "hot"}
	case len(names) == 0:
		return all, nil
	}

	var (
		chosen  []scenario
		unknown = slices.Clone(names)
		rated   = slices.ContainsFunc(all, func(s scenario) bool { return s.rate > 0 && slices.Contains(names, s.name) })
	)

	for _, s := range all {
		if slices.Contains(names, s.name) || rated && s.name == "spread" {
			chosen = append(chosen, s)
		}

		unknown = slices.DeleteFunc(unknown, func(name string) bool { return name == s.name })
	}

	if len(unknown) > 0 {
		return nil, fmt.Errorf("no scenario %q; bench --help lists them", unknown[0])
	}

	return chosen, nil
}

// open starts Postgres.
func (b *bench) open(ctx context.Context) (err error) {
	if b.dir = b.Dir; b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "orders-bench-"); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
	}

	// Postgres' user, which is not root, has to pass through.
	err = os.Chmod(b.dir, 0o711) //nolint:gosec // it may pass, not read
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}

	if b.postgres, err = startPostgres(ctx, filepath.Join(b.dir, "postgres"), b.PostgresBin); err != nil {
		return errors.Join(err, b.remove())
	}

	return nil
}

func (b *bench) close(ctx context.Context) error {
	return errors.Join(b.postgres.stop(ctx), b.remove())
}

func (b *bench) remove() error {
	if b.Keep || b.Dir != "" {
		return nil
	}

	return os.RemoveAll(b.dir)
}
