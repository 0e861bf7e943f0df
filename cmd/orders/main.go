// Command orders is the order service: the API, the workers, and what it takes
// to run them. See `orders --help`.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker, which reaches variables only.
var version = "dev"

// How the collector works, unless GOGC and GOMEMLIMIT say otherwise. What lives is
// little, and what is thrown away is much: collecting when the heap has grown
// fivefold instead of twofold saves a fifth of both processes' CPU, for some 50 MiB.
// Beyond the limit, which is soft, it works as hard as it must.
const (
	collectAt   = 400       // percent
	memoryLimit = 160 << 20 // bytes; containers of 256 MiB are common
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}

	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}

	// The first signal drains; a second one kills, as the handler is gone by then.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)

	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK    = 0
	exitError = 1 // it did not work
	exitUsage = 2 // it was not asked right
)

// program is what commands run with.
type program struct {
	config
	ctx    context.Context //nolint:containedctx // the program's own, bound to its commands by kong
	stdout io.Writer
	stderr io.Writer // progress, for whoever waits
	log    *slog.Logger
	quiet  *slog.Logger // for libraries: warnings and worse
}

// run is the program without the process around it. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli

	exited := -1

	parser, err := kong.New(&c,
		kong.Name("orders"),
		kong.Description("An order service whose asynchronous work runs on Postgres itself."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err) //nolint:forbidigo // a mistake in the struct below
	}

	if len(args) == 0 {
		args = []string{"--help"}
	}

	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help
	}

	if err != nil {
		fmt.Fprintf(stderr, "orders: %v\nTry `orders --help`.\n", err)

		return exitUsage
	}

	p := &program{config: c.Config, ctx: ctx, stdout: stdout, stderr: stderr}
	p.log, p.quiet = c.Config.loggers(stderr)

	if err := command.Run(p); err != nil {
		fmt.Fprintf(stderr, "orders: %v\n", err)

		return exitError
	}

	return exitOK
}

// cli is the command line: one field a command.
type cli struct {
	Config config `embed:""`

	Dev     devCmd         `cmd:"" help:"Run everything in one process: a private Postgres, the API, the workers and River UI."`
	Serve   serveCmd       `cmd:"" help:"Run the API against DATABASE_URL."`
	Work    workCmd        `cmd:"" help:"Run the workers against DATABASE_URL."`
	Migrate migrateCmd     `cmd:"" help:"Bring the database's schema up or down, or tell its version."`
	Seed    seedCmd        `cmd:"" help:"Add a few demo products with stock."`
	Report  reportCmd      `cmd:"" help:"Answer an operator's question with a named SQL query."`
	Audit   auditCmd       `cmd:"" help:"Prove the invariants on all of the data; exit 1 when one is broken."`
	Letters deadLettersCmd `cmd:"" name:"dead-letters" help:"See the jobs that were given up, and do their work again."`
	Workers workersCmd     `cmd:"" help:"List the worker processes, and those found dead within the hour."`
	Health  healthCmd      `cmd:"" help:"Ask the process at ORDERS_LISTEN whether it is ready; exit 1 when not."`
	Show    configCmd      `cmd:"" name:"config" help:"Print the settings in force, secrets redacted."`
	Version versionCmd     `cmd:"" help:"Print the program's version."`
}

type versionCmd struct{}

func (versionCmd) Run(p *program) error {
	_, err := fmt.Fprintln(p.stdout, version)

	return err
}
