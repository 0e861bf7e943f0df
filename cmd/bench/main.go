// Command bench measures how fast orders are placed and settled: real serve and
// work processes on a durable Postgres of its own, loaded over HTTP. See
// `bench --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"orders/cmd/bench/baseline"
	"orders/cmd/bench/broker"
	"orders/cmd/bench/report"
	"orders/cmd/bench/scenario"
	"orders/cmd/bench/server"
)

func main() {
	// The first signal ends the runs and tidies up, which takes a second. Further signals change nothing: they would
	// leave servers behind.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr)) //nolint:gocritic // nothing is left for the handler then
}

// Exit codes.
const (
	exitOK    = 0
	exitError = 1 // a run, a check of its work or a checked target failed
	exitUsage = 2
)

// cli is the command line.
type cli struct {
	Bench    benchCmd `cmd:"" default:"withargs" help:"Measure, and print the table."`
	Textbook struct {
		Serve textbookServe `cmd:"" help:"Its one process."`
	} `cmd:"" hidden:"" help:"The service as in River's documentation, for comparison."`
	Broker struct {
		Serve brokerServe `cmd:"" help:"The API and the relay."`
		Work  brokerWork  `cmd:"" help:"The consumers."`
	} `cmd:"" hidden:"" help:"The service with an outbox and RabbitMQ, for comparison."`
}

// textbookServe is the process that the scenario textbook measures.
type textbookServe struct {
	DatabaseURL string `required:"" env:"DATABASE_URL" help:"Migrated database; its indexes on river_job are made River's own."`
	Listen      string `required:"" env:"ORDERS_LISTEN" help:"Address of its API."`
}

// Run serves and works until ctx ends.
func (c textbookServe) Run(ctx context.Context) error {
	return baseline.Textbook(ctx, c.DatabaseURL, c.Listen)
}

// brokerServe is one of the two processes that the broker scenarios measure.
type brokerServe struct {
	DatabaseURL string `required:"" env:"DATABASE_URL" help:"Migrated database; it gets an outbox."`
	Listen      string `required:"" env:"ORDERS_LISTEN" help:"Address of its HTTP."`
	RabbitMQ    string `required:"" name:"rabbitmq" env:"RABBITMQ_URL" help:"The broker."`
}

// Run serves and relays until ctx ends.
func (c brokerServe) Run(ctx context.Context) error { return broker.Serve(ctx, broker.Options(c)) }

// brokerWork is the other process.
type brokerWork struct {
	brokerServe

	Consumers int `required:"" env:"BROKER_CONSUMERS" help:"Of each queue."`
}

// Run consumes until ctx ends.
func (c brokerWork) Run(ctx context.Context) error {
	return broker.Work(ctx, broker.Options(c.brokerServe), c.Consumers)
}

// run is the program without the process around it. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	parser := kong.Must(new(cli),
		kong.Name("bench"),
		kong.Description("How fast orders are placed and settled, on this machine and a durable Postgres of its own."),
		kong.Writers(stdout, stderr),
		kong.Vars{"rabbitmq": server.RabbitPrograms},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)

	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		args = []string{"bench", "--help"} // the flags are those of this command
	}

	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\nTry `bench --help`.\n", err)

		return exitUsage
	}

	if err := command.Run(); err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)

		return exitError
	}

	return exitOK
}

// benchCmd is the command line of the bench.
type benchCmd struct {
	Orders       string        `default:"bin/orders" help:"The program to measure."`
	Dir          string        `placeholder:"DIR" help:"Where the databases and logs are; by default a temporary directory."`
	Keep         bool          `help:"Do not remove them at the end."`
	PostgresBin  string        `env:"ORDERS_POSTGRES_BIN" placeholder:"DIR" help:"Where initdb and postgres are; by default in PATH and the usual places."`
	RabbitmqBin  string        `name:"rabbitmq-bin" env:"ORDERS_RABBITMQ_BIN" default:"${rabbitmq}" placeholder:"DIR" help:"Where rabbitmq-server is. Without it, the broker scenarios are left out."`
	Consumers    []int         `name:"broker-consumers" default:"8,32,128" placeholder:"N" help:"Consumers a queue of the broker recipe: each number has a short run, and the best is measured."`
	Scenario     []string      `placeholder:"NAME" help:"Only these scenarios: textbook, broker, broker hot, ceiling, floor, spread, hot, 2 processes, 4 processes, distant, latency, overload, killed, mixed, slow, backlog, history. Only if it is named: webhooks (webhooks none, webhooks healthy, webhooks bad, webhooks outage)."`
	OrdersPerRun int           `default:"20000" help:"Orders of a run."`
	Repeat       int           `default:"3" help:"Runs of each scenario; the table has their medians."`
	Connections  int           `default:"256" help:"Connections that place orders in the closed model."`
	Short        bool          `help:"Baselines, spread and hot only, with few orders."`
	Check        bool          `help:"Exit 1 when a ratio is below half of its target."`
	KillAfter    time.Duration `default:"10s" placeholder:"DURATION" help:"In the scenario killed, how long the overload lasts before a worker is killed."`
	Outage       time.Duration `default:"1m" placeholder:"DURATION" help:"In the scenario webhooks outage, how long a receiver takes no events."`
	Soak         time.Duration `placeholder:"DURATION" help:"Instead: place at 80 % of capacity for so long, and sample the queue."`
	JSON         string        `name:"json" placeholder:"FILE" help:"Write everything as one JSON object; - for standard output, without the table."`

	chosen []scenario.Scenario
}

// Validate refuses what would measure nothing, and chooses the scenarios.
func (c *benchCmd) Validate() (err error) {
	positive := append([]int{c.Repeat, c.OrdersPerRun, c.Connections}, c.Consumers...)
	if slices.Min(positive) < 1 || len(c.Consumers) == 0 || c.Soak < 0 || c.KillAfter < 0 || c.Outage <= 0 {
		return errors.New("--repeat, --orders-per-run, --connections and --broker-consumers are 1 or more; " +
			"--soak and --kill-after are not negative; --outage is positive")
	}

	if c.Short { // which is enough to see that a ratio has halved
		c.OrdersPerRun, c.Repeat = min(c.OrdersPerRun, 8000), min(c.Repeat, 2)

		if len(c.Scenario) == 0 {
			c.Scenario = []string{"textbook", "broker", "ceiling", "floor", "spread", "hot"}
		}
	}

	c.chosen, err = scenario.Choose(c.Scenario, scenario.Durations{Soak: c.Soak, KillAfter: c.KillAfter, Outage: c.Outage})

	return err
}

// Run measures. It fails if a run or a check of its work fails, and with --check
// if a ratio is far below its target.
func (c *benchCmd) Run(ctx context.Context, k *kong.Context) (err error) {
	if c.Dir == "" {
		if c.Dir, err = os.MkdirTemp("", "orders-bench-"); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}

		if !c.Keep {
			defer os.RemoveAll(c.Dir)
		}
	}

	postgres, err := server.StartPostgres(ctx, filepath.Join(c.Dir, "postgres"), c.PostgresBin, nil)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, postgres.Close(context.WithoutCancel(ctx))) }()

	r, err := c.measure(ctx, postgres, report.NewProgress(k.Stderr))
	if err != nil {
		return err
	}

	r.Evaluate()

	if err := r.Write(k.Stdout, c.JSON); err != nil || !c.Check {
		return err
	}

	return r.Check()
}

func (c *benchCmd) measure(ctx context.Context, postgres *server.Postgres, progress *report.Progress) (*report.Report, error) {
	version, err := exec.CommandContext(ctx, c.Orders, "version").Output() //nolint:gosec // the program that is measured
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", c.Orders, err)
	}

	r := report.New(strings.TrimSpace(string(version)), postgres.Version, c.OrdersPerRun, c.Repeat)
	runner := scenario.Runner{
		Program: c.Orders, LogDir: filepath.Join(c.Dir, "logs"), Orders: c.OrdersPerRun, Repeat: c.Repeat, Connections: c.Connections,
		Consumers: c.Consumers, Keep: c.Keep, Postgres: postgres, Progress: progress, Report: r,
	}

	if slices.ContainsFunc(c.chosen, scenario.Scenario.NeedsBroker) {
		progress.Updatef("starting RabbitMQ")

		switch runner.Broker, err = server.StartRabbitMQ(ctx, filepath.Join(c.Dir, "rabbitmq"), c.RabbitmqBin); {
		case errors.Is(err, server.ErrNoRabbitMQ):
			c.chosen = slices.DeleteFunc(c.chosen, scenario.Scenario.NeedsBroker)
			r.LeftOut = "The broker recipe was not measured: " + err.Error() + "."
			progress.Printf("%s", r.LeftOut)
		case err != nil:
			return nil, err
		default:
			defer runner.Broker.Close()
		}
	}

	return r, runner.Run(ctx, c.chosen)
}
