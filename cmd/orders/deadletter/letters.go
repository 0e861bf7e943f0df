// Package deadletter has the commands about jobs that were given up.
package deadletter

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/operator"
	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db/deadletter"
	"orders/db/report"
	"orders/order"
	"orders/order/repair"
)

// Cmd lists, redrives and resolves dead letters.
type Cmd struct {
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

// Reasons is the list of reasons, for --help and to check the flag.
func Reasons() string {
	return strings.Join(shell.Each(deadletter.Reasons(), func(r deadletter.Reason) string { return string(r) }), ",")
}

// periodFlags narrow dead letters by when they were given up.
type periodFlags struct {
	Since string `placeholder:"TIME" help:"Only dead letters given up then or later: a time, a date (UTC), or now-2h or now-1d."`
	Until string `placeholder:"TIME" help:"Only dead letters given up before, given as --since is."`
}

// narrow adds the period to a filter.
func (f periodFlags) narrow(filter *deadletter.Filter) (err error) {
	filter.Since, filter.Until, err = order.ParsePeriod("--", f.Since, f.Until)

	return shell.Refusal(err)
}

// letterFlags narrow dead letters.
type letterFlags struct {
	kindFlags
	periodFlags

	Signature string    `help:"Only dead letters with this signature, as groups prints it."`
	Order     uuid.UUID `placeholder:"ID" what:"an order's id" help:"Only dead letters of this order."`
}

func (f letterFlags) filter() (deadletter.Filter, error) {
	filter := deadletter.Filter{Kind: f.Kind, Reason: f.Reason, Signature: f.Signature, OrderID: f.Order}
	if err := f.narrow(&filter); err != nil {
		return filter, err
	}

	return filter, nil
}

type listLettersCmd struct {
	letterFlags

	State string `enum:"open,resolved,all" default:"open" help:"open, resolved or all."`
	Limit int    `default:"50" help:"The largest number of dead letters to list: 1 to 1000."`
	JSON  bool   `name:"json" help:"For scripts: an array, as GET /dead-letters has it."`
}

func (c listLettersCmd) Run(s *shell.Shell) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}

	if err := checkLimit(c.Limit); err != nil {
		return err
	}

	return withKind(s, c.Kind, func(pool *pgxpool.Pool) error {
		letters, err := deadletter.List(s.Ctx, pool, filter, deadletter.State(c.State), nil, c.Limit)
		if err != nil {
			return err
		}

		if c.JSON {
			return s.PrintJSON(shell.Each(letters, operator.DeadLetterOf))
		}

		return s.PrintTable(output.Letters(letters))
	})
}

type letterGroupsCmd struct {
	kindFlags
	periodFlags

	Limit int  `default:"50" help:"The largest number of groups to list: 1 to 1000."`
	JSON  bool `name:"json" help:"For scripts: an array, as GET /dead-letters/groups has it."`
}

func (c letterGroupsCmd) Run(s *shell.Shell) error {
	if err := checkLimit(c.Limit); err != nil {
		return err
	}

	filter := deadletter.Filter{Kind: c.Kind, Reason: c.Reason}
	if err := c.narrow(&filter); err != nil {
		return err
	}

	return withKind(s, c.Kind, func(pool *pgxpool.Pool) error {
		groups, err := deadletter.Groups(s.Ctx, pool, filter, c.Limit)
		if err != nil {
			return err
		}

		if c.JSON {
			return s.PrintJSON(shell.Each(groups, operator.DeadLetterGroupOf))
		}

		t := report.Table{Columns: []string{"count", "attention", "first_at", "last_at", "samples", "signature"}}
		for _, g := range groups {
			samples := strings.Trim(fmt.Sprint(g.Samples), "[]")
			t.Rows = append(t.Rows, []any{g.Count, g.Attention, g.FirstAt, g.LastAt, samples, g.Signature})
		}

		return s.PrintTable(t)
	})
}

// withKind opens the database for one command about jobs of a kind, and refuses a kind that
// does not exist.
func withKind(s *shell.Shell, kind string, do func(pool *pgxpool.Pool) error) error {
	return s.WithPool(func(pool *pgxpool.Pool) error {
		if err := repair.CheckKind(s.Ctx, pool, kind); err != nil {
			return fmt.Errorf("--kind: %w", shell.Refusal(err))
		}

		return do(pool)
	})
}
