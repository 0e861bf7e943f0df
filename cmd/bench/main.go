// Command bench measures how fast orders are placed and settled: real serve and
// work processes on a durable Postgres of its own, loaded over HTTP. See
// `bench --help`.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	// The first signal ends the runs and tidies up, which takes a second; further ones change nothing, as they would
	// leave servers behind that nobody stops.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr)) //nolint:gocritic // nothing is left for the handler then
}

// Exit codes.
const (
	exitOK    = 0
	exitError = 1 // a run failed, a proof or a checked target
	exitUsage = 2 // it was not asked right
)

// cli is the command line.
type cli struct {
	Bench    benchCmd    `cmd:"" default:"withargs" help:"Measure, and print the table."`
	Textbook textbookCmd `cmd:"" hidden:"" help:"The service as River's documentation has it, for comparison."`
}

// output is where a command prints.
type output struct {
	stdout io.Writer // the table
	stderr io.Writer // progress, for whoever waits
}

// run is the program without the process around it. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli

	exited := -1

	parser, err := kong.New(&c,
		kong.Name("bench"),
		kong.Description("How fast orders are placed and settled, on this machine and a durable Postgres of its own."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		panic(err) //nolint:forbidigo // a mistake in the struct above
	}

	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		args = []string{"bench", "--help"} // the one command there is to know
	}

	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help
	}

	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\nTry `bench --help`.\n", err)

		return exitUsage
	}

	if err := command.Run(output{stdout: stdout, stderr: stderr}); err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)

		return exitError
	}

	return exitOK
}
