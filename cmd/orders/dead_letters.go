package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/operator"
	"orders/cmd/orders/output"
	"orders/db/deadletter"
	"orders/db/report"
	"orders/order"
	"orders/order/repair"
)

type deadLettersCmd struct {
	List    listLettersCmd   `cmd:"" help:"List dead letters, the newest first."`
	Groups  letterGroupsCmd  `cmd:"" help:"Group the open dead letters by cause."`
	Show    showLetterCmd    `cmd:"" help:"Show a dead letter with its arguments, the errors of all attempts, and its redrives."`
	Redrive redriveCmd       `cmd:"" help:"Do the work of dead letters again, by job id or by filter."`
	Resolve resolveLetterCmd `cmd:"" help:"Resolve dead letters, by job id or by filter: nothing is to be done."`
	Reopen  reopenLetterCmd  `cmd:"" help:"Undo the resolution of a dead letter: it is open again."`
}

// kindFlags narrow dead letters and their groups.
type kindFlags struct {
	Kind   string            `help:"Only jobs of this kind."`
	Reason deadletter.Reason `enum:",${letter_reasons}" default:"" help:"Only dead letters with this reason: ${letter_reasons}."`
}

// letterReasons is the list of reasons, for --help and to check the flag.
func letterReasons() string {
	return strings.Join(each(deadletter.Reasons(), func(r deadletter.Reason) string { return string(r) }), ",")
}

// letterFlags narrow dead letters.
type letterFlags struct {
	kindFlags

	Signature string `help:"Only dead letters with this signature, as groups prints it."`
	Order     string `placeholder:"ID" help:"Only dead letters of this order."`
}

func (f letterFlags) filter() (deadletter.Filter, error) {
	filter := deadletter.Filter{Kind: f.Kind, Reason: f.Reason, Signature: f.Signature}

	if f.Order != "" {
		id, err := uuid.Parse(f.Order)
		if err != nil {
			return filter, fmt.Errorf("--order: %q is not the id of an order", f.Order)
		}

		filter.OrderID = id
	}

	return filter, nil
}

type listLettersCmd struct {
	letterFlags

	State string `enum:"open,resolved,all" default:"open" help:"open, resolved or all."`
	Limit int    `default:"50" help:"The largest number of dead letters to list: 1 to 1000."`
	JSON  bool   `name:"json" help:"For scripts: an array, as GET /dead-letters has it."`
}

func (c listLettersCmd) Run(p *program) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}

	if err := checkLimit(c.Limit); err != nil {
		return err
	}

	return withKind(p, c.Kind, func(pool *pgxpool.Pool) error {
		letters, err := deadletter.List(p.ctx, pool, filter, deadletter.State(c.State), nil, c.Limit)
		if err != nil {
			return err
		}

		if c.JSON {
			return printJSON(p, each(letters, operator.DeadLetterOf))
		}

		return writeTable(p.stdout, output.Letters(letters), "table")
	})
}

type letterGroupsCmd struct {
	kindFlags

	Limit int  `default:"50" help:"The largest number of groups to list: 1 to 1000."`
	JSON  bool `name:"json" help:"For scripts: an array, as GET /dead-letters/groups has it."`
}

func (c letterGroupsCmd) Run(p *program) error {
	if err := checkLimit(c.Limit); err != nil {
		return err
	}

	return withKind(p, c.Kind, func(pool *pgxpool.Pool) error {
		groups, err := deadletter.Groups(p.ctx, pool, deadletter.Filter{Kind: c.Kind, Reason: c.Reason}, c.Limit)
		if err != nil {
			return err
		}

		if c.JSON {
			return printJSON(p, each(groups, operator.DeadLetterGroupOf))
		}

		t := report.Table{Columns: []string{"count", "attention", "first_at", "last_at", "samples", "signature"}}
		for _, g := range groups {
			samples := strings.Trim(fmt.Sprint(g.Samples), "[]")
			t.Rows = append(t.Rows, []any{g.Count, g.Attention, g.FirstAt, g.LastAt, samples, g.Signature})
		}

		return writeTable(p.stdout, t, "table")
	})
}

// shellActor is the actor of acts from the shell.
func shellActor() string {
	if u, err := user.Current(); err == nil {
		return "cli:" + u.Username
	}

	return "cli"
}

// withPool opens the database for one command.
func withPool(p *program, do func(pool *pgxpool.Pool) error) error {
	pool, err := openChecked(p)
	if err != nil {
		return err
	}
	defer pool.Close()

	return do(pool)
}

// withKind opens the database for one command about jobs of a kind, and refuses a kind that
// does not exist.
func withKind(p *program, kind string, do func(pool *pgxpool.Pool) error) error {
	return withPool(p, func(pool *pgxpool.Pool) error {
		if err := repair.CheckKind(p.ctx, pool, kind); err != nil {
			return fmt.Errorf("--kind: %w", messageOnly(err))
		}

		return do(pool)
	})
}

// printJSON prints for scripts.
func printJSON(p *program, value any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false) // errors have < and > in them

	return encoder.Encode(value)
}

// each converts values. It never returns nil, which JSON would show as null.
func each[From, To any](values []From, convert func(From) To) []To {
	converted := make([]To, len(values))
	for i, value := range values {
		converted[i] = convert(value)
	}

	return converted
}

// messageOnly is a refusal without its code.
func messageOnly(err error) error {
	if refusal, ok := errors.AsType[*order.Error](err); ok {
		return errors.New(refusal.Message)
	}

	return err
}
