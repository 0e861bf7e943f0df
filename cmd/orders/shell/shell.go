// Package shell is what the commands for operators run with, and how they print.
package shell

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/user"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/orders/output"
	"orders/db"
	"orders/db/report"
	"orders/order"
	"orders/order/flow"
)

// A Shell is what a command runs with.
type Shell struct {
	Ctx     context.Context //nolint:containedctx // the program's own, bound to its commands by kong
	Stdout  io.Writer
	Stderr  io.Writer
	Open    func() (*pgxpool.Pool, error)                 // opens the database, and refuses a schema that does not fit
	Connect func() (*pgxpool.Pool, error)                 // opens the database, whatever its schema is
	Queue   func(pool *pgxpool.Pool) (*flow.Queue, error) // enqueues jobs

	Version      string          // of the program
	DirectURL    string          // of Postgres itself, if there is a pooler
	RedriveAfter []time.Duration // delays before each automatic redrive
	AllowPrivate bool            // webhooks may have addresses that are not public
}

// An ExitCode is the error of a command that has printed why, and has an exit code of its own.
type ExitCode int //nolint:errname // it is an exit code

func (c ExitCode) Error() string { return "exit code " + strconv.Itoa(int(c)) }

// Message is an error's text for operators.
func Message(err error) string {
	if problem := db.ConnectProblem(err); problem != "" {
		return problem
	}

	return err.Error()
}

// WithPool opens the database for one command.
func (s *Shell) WithPool(do func(pool *pgxpool.Pool) error) error {
	pool, err := s.Open()
	if err != nil {
		return err
	}
	defer pool.Close()

	return do(pool)
}

// InTx runs a command in a transaction.
func (s *Shell) InTx(do func(tx pgx.Tx) error) error {
	return s.WithPool(func(pool *pgxpool.Pool) error { return db.InTx(s.Ctx, pool, do) })
}

// PrintJSON prints for scripts.
func (s *Shell) PrintJSON(value any) error {
	encoder := json.NewEncoder(s.Stdout)
	encoder.SetEscapeHTML(false) // errors have < and > in them

	return encoder.Encode(value)
}

// PrintTable prints for people.
func (s *Shell) PrintTable(t report.Table) error { return output.Table(s.Stdout, t, "table") }

// Actor is the actor of acts from the shell.
func Actor() order.Actor {
	name := "cli"
	if u, err := user.Current(); err == nil {
		name += ":" + u.Username
	}

	return order.Actor{Name: name, KnownBy: order.ByCLI}
}

// Each converts values. It never returns nil, which JSON would show as null.
func Each[From, To any](values []From, convert func(From) To) []To {
	converted := make([]To, len(values))
	for i, value := range values {
		converted[i] = convert(value)
	}

	return converted
}

// A refused command prints the message of a refusal, which keeps its code.
type refused struct{ refusal *order.Error }

func (r refused) Error() string { return r.refusal.Message }

// Unwrap returns the refusal.
func (r refused) Unwrap() error { return r.refusal }

// Refusal is a refusal whose text has no code.
func Refusal(err error) error {
	if refusal, ok := errors.AsType[*order.Error](err); ok {
		return refused{refusal}
	}

	return err
}

// Mistake is a mistake in the command line.
func Mistake(format string, args ...any) error {
	return refused{order.Errorf(order.Invalid, format, args...)}
}

// IsMistake tells whether an error is a mistake in the command line.
func IsMistake(err error) bool { return order.CodeOf(err) == order.Invalid }

// AsMistake makes a refusal a mistake in the command line.
func AsMistake(err error) error {
	if refusal, ok := errors.AsType[*order.Error](err); ok {
		return Mistake("%s", refusal.Message)
	}

	return err
}
