// Command orders is the order service: the API, the workers, and the commands to
// operate them. See `orders --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/orders/check"
	"orders/cmd/orders/completion"
	"orders/cmd/orders/deadletter"
	"orders/cmd/orders/doctor"
	"orders/cmd/orders/memory"
	"orders/cmd/orders/order"
	"orders/cmd/orders/queue"
	"orders/cmd/orders/settings"
	"orders/cmd/orders/shell"
	"orders/cmd/orders/telemetry"
	"orders/cmd/orders/token"
	"orders/cmd/orders/webhook"
	"orders/db"
	"orders/db/link"
	"orders/jobs"
	"orders/order/flow"
)

// version is set by the linker, which can set only variables.
var version = "dev"

func main() {
	memory.Tune()

	// The first signal drains the process. A second one kills it, as the handler is removed by then.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)

	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes. --help lists them.
const (
	exitOK          = 0
	exitError       = 1 // the answer is no, or the command failed
	exitUsage       = 2 // the command line or a setting is wrong
	exitUnavailable = 3 // the database cannot be asked: whether the answer is no is unknown
)

const exitCodes = `Exit codes: 0 success; 1 the answer is no (an invariant is broken, the schema does not fit,
the process is not ready) or the command failed; 2 a mistake in the command line or in a setting;
3 the database could not be reached or asked.`

// program is what a command runs with.
type program struct {
	config
	ctx    context.Context //nolint:containedctx // the program's own, bound to its commands by kong
	stdout io.Writer
	stderr io.Writer // logs and progress
	log    *slog.Logger
	quiet  *slog.Logger // for libraries: warnings and worse
	link   link.Link    // what the way to the database lacks

	metrics *telemetry.Metrics
	traces  *telemetry.Traces // nil for none
}

// shell is what commands for operators run with.
func (p *program) shell() *shell.Shell {
	return &shell.Shell{
		Ctx: p.ctx, Stdout: p.stdout, Stderr: p.stderr,
		Open:    func() (*pgxpool.Pool, error) { return openChecked(p) },
		Connect: func() (*pgxpool.Pool, error) { return connect(p) },
		Queue:   func(pool *pgxpool.Pool) (*flow.Queue, error) { return jobs.NewClient(pool, p.quiet, p.jobs()) },

		Version: version, DirectURL: p.DirectURL, RedriveAfter: p.RedriveAfter,
		AllowPrivate: p.WebhookAllowPrivate,
	}
}

// run is the program without its process. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli

	exited := -1
	parser := newParser(&c, kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }))

	if completion.Complete(parser) {
		return exitOK
	}

	if len(args) == 0 {
		args = []string{"--help"}
	}

	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help
	}

	if err != nil {
		var selected *kong.Node
		if mistake, ok := errors.AsType[*kong.ParseError](err); ok {
			selected = mistake.Context.Selected()
		}

		fmt.Fprintf(stderr, "orders: %v\n%s\n", settings.Mistakes(parser, c.Config.Validate, err), helpHint(selected))

		return usageCode(err)
	}

	p := &program{config: c.Config, ctx: ctx, stdout: stdout, stderr: stderr}
	p.log, p.quiet = c.Config.loggers(stderr)

	for _, warning := range settings.Unknown(os.Environ(), variables(parser)) {
		p.log.Warn("a variable is ignored", "warning", warning)
	}

	if err := command.Run(p, p.shell()); err != nil {
		if code, ok := errors.AsType[shell.ExitCode](err); ok {
			return int(code)
		}

		fmt.Fprintf(stderr, "orders: %s\n", shell.Message(err))

		code := exitCode(err)
		if code == exitUsage {
			fmt.Fprintln(stderr, helpHint(command.Selected()))
		}

		return code
	}

	return exitOK
}

// helpHint names the help of the command in which there is a mistake.
func helpHint(command *kong.Node) string {
	path := "orders"
	if command != nil {
		path = command.FullPath()
	}

	return "Try `" + path + " --help`."
}

// variables are the names of all settings.
func variables(parser *kong.Kong) (names []string) {
	for _, flag := range parser.Model.Flags {
		names = append(names, flag.Envs...)
	}

	return names
}

// errUnasked is wrapped by errors of a check that could not be made.
var errUnasked = errors.New("the check was not made")

// usageCode is the exit code of a mistake in the command line. For check, 2 means something else.
func usageCode(err error) int {
	if mistake, ok := errors.AsType[*kong.ParseError](err); ok {
		if command := mistake.Context.Selected(); command != nil && command.Name == "check" {
			return exitUnavailable
		}
	}

	return exitUsage
}

func exitCode(err error) int {
	if errors.Is(err, errUnasked) || db.ConnectProblem(err) != "" {
		return exitUnavailable
	}

	if shell.IsMistake(err) {
		return exitUsage
	}

	return exitError
}

// newParser makes the parser of the command line, which holds the texts of --help.
func newParser(c *cli, options ...kong.Option) *kong.Kong {
	parser, err := kong.New(c, append(append(options, settings.Mappers()...),
		kong.Name("orders"),
		kong.Description("An order service whose asynchronous work runs on Postgres itself."),
		kong.UsageOnError(),
		kong.Help(printHelp),
		defaults(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)...)
	if err != nil {
		panic(err) //nolint:forbidigo // a mistake in the struct below
	}

	parser.Model.Detail = exitCodes

	return parser
}

// cli is the command line: one field a command.
type cli struct {
	Config config `embed:""`

	Dev      devCmd            `cmd:"" help:"Run everything in one process: a private Postgres, the API, a worker and River UI."`
	Serve    serveCmd          `cmd:"" help:"Run the API on the database at DATABASE_URL."`
	Work     workCmd           `cmd:"" help:"Run a worker on the database at DATABASE_URL."`
	Migrate  migrateCmd        `cmd:"" help:"Migrate the database's schema up or down, or print its version."`
	Seed     seedCmd           `cmd:"" help:"Add demo products with stock."`
	Report   reportCmd         `cmd:"" help:"Answer an operator's question with a named SQL query."`
	Check    check.Cmd         `cmd:"" help:"Check whether anything is wrong, for cron and monitoring. The exit codes are those of Nagios."`
	Doctor   doctor.Cmd        `cmd:"" help:"Look for what is wrong with the database and the way to it; exit with code 1 if something must be mended."`
	Audit    auditCmd          `cmd:"" help:"Check the invariants on all data; exit with code 1 if one is broken."`
	Why      order.WhyCmd      `cmd:"" help:"Explain why an order has not settled, as GET /orders/{id}/why does."`
	Timeline order.TimelineCmd `cmd:"" help:"List what happened to an order, and who did it."`
	Cancel   order.CancelCmd   `cmd:"" help:"Cancel an order: its stock and points are given back."`
	Queues   queue.Cmd         `cmd:"" help:"List the queues, and pause or resume them."`

	Letters    deadletter.Cmd `cmd:"" name:"dead-letters" help:"List the jobs that were given up, redrive their work, or resolve them."`
	Webhook    webhook.Cmd    `cmd:"" help:"Make and manage webhooks, to which events are sent."`
	Token      token.Cmd      `cmd:"" help:"Make, list and revoke the tokens that the API asks for."`
	Workers    workersCmd     `cmd:"" help:"List the workers, and those found dead within the last hour."`
	Health     healthCmd      `cmd:"" help:"Check whether the process at ORDERS_LISTEN is ready; exit with code 1 if it is not."`
	Show       configCmd      `cmd:"" name:"config" help:"Print the settings in force, with secrets redacted."`
	Completion completion.Cmd `cmd:"" help:"Print the code that makes bash, zsh or fish complete this program's commands and flags."`
	Version    versionCmd     `cmd:"" help:"Print the program's version."`
}

type versionCmd struct{}

func (versionCmd) Run(p *program) error {
	_, err := fmt.Fprintln(p.stdout, version)

	return err
}
