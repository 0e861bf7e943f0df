package main

import (
	"encoding/json"
	"fmt"
	"os/user"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
)

type deadLettersCmd struct {
	List    listLettersCmd   `cmd:"" help:"List dead letters, those that died last first."`
	Groups  letterGroupsCmd  `cmd:"" help:"Group the open ones by what they died of."`
	Show    showLetterCmd    `cmd:"" help:"Show one with its args, the errors of all runs, and its redrives."`
	Redrive redriveCmd       `cmd:"" help:"Do the work of dead letters again, by job id or by filter."`
	Resolve resolveLetterCmd `cmd:"" help:"Close one: nothing is to be done about it."`
}

// letterFlags narrow dead letters.
type letterFlags struct {
	Kind      string `help:"Only jobs of this kind."`
	Reason    string `enum:",transient,permanent,poison,cancelled,unknown" default:"" help:"Only letters that died so: transient, permanent, poison, cancelled or unknown."`
	Signature string `help:"Only letters of this signature, as groups has it."`
	Order     string `placeholder:"ID" help:"Only letters of this order."`
}

func (f letterFlags) filter() (db.LetterFilter, error) {
	filter := db.LetterFilter{Kind: f.Kind, Reason: db.Reason(f.Reason), Signature: f.Signature}

	if f.Order != "" {
		id, err := uuid.Parse(f.Order)
		if err != nil {
			return filter, fmt.Errorf("--order: %q is no id of an order", f.Order)
		}

		filter.OrderID = id
	}

	return filter, nil
}

// shellActor is who acts from the shell.
func shellActor() string {
	if u, err := user.Current(); err == nil {
		return "cli:" + u.Username
	}

	return "cli"
}

// withPool opens the database for a command that is not there for long.
func withPool(p *program, do func(pool *pgxpool.Pool) error) error {
	pool, err := openChecked(p)
	if err != nil {
		return err
	}
	defer pool.Close()

	return do(pool)
}

// printJSON prints for scripts.
func printJSON(p *program, value any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false) // errors have < and > in them

	return encoder.Encode(value)
}

type listLettersCmd struct {
	letterFlags

	State string `enum:"open,resolved,all" default:"open" help:"open, resolved or all."`
	Limit int    `default:"50" help:"The most to list."`
	JSON  bool   `name:"json" help:"For scripts: an array, as GET /dead-letters has it."`
}

func (c listLettersCmd) Run(p *program) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}

	return withPool(p, func(pool *pgxpool.Pool) error {
		letters, err := db.DeadLetters(p.ctx, pool, filter, db.LetterState(c.State), nil, max(c.Limit, 1))
		if err != nil {
			return err
		}

		if c.JSON {
			return printJSON(p, letters)
		}

		return writeTable(p.stdout, lettersTable(letters), "table")
	})
}

func lettersTable(letters []db.DeadLetter) db.Table {
	t := db.Table{Columns: []string{"job_id", "dead_at", "kind", "order_id", "attempts", "redrives", "reason", "resolution", "error"}}

	for _, l := range letters {
		var orderID any
		if l.OrderID != nil {
			orderID = *l.OrderID
		}

		state := any(string(l.Resolution))
		if l.Resolution == "" && l.AttentionAt != nil {
			state = "needs attention"
		} else if l.Resolution == "" {
			state = "open"
		}

		t.Rows = append(t.Rows, []any{
			l.JobID, l.DeadAt, l.Kind, orderID, int64(l.Attempts), int64(l.Redrives), string(l.Reason), state, shortened(l.Error),
		})
	}

	return t
}

// shortened is an error's text as it fits into a table; show has the whole.
func shortened(text string) string {
	const width = 100

	if runes := []rune(text); len(runes) > width {
		return string(runes[:width]) + "…"
	}

	return text
}

type letterGroupsCmd struct {
	Kind   string `help:"Only jobs of this kind."`
	Reason string `enum:",transient,permanent,poison,cancelled,unknown" default:"" help:"Only letters that died so: transient, permanent, poison, cancelled or unknown."`
	Limit  int    `default:"50" help:"The most to list."`
	JSON   bool   `name:"json" help:"For scripts: an array, as GET /dead-letters/groups has it."`
}

func (c letterGroupsCmd) Run(p *program) error {
	return withPool(p, func(pool *pgxpool.Pool) error {
		groups, err := db.LetterGroups(p.ctx, pool, db.LetterFilter{Kind: c.Kind, Reason: db.Reason(c.Reason)}, max(c.Limit, 1))
		if err != nil {
			return err
		}

		if c.JSON {
			return printJSON(p, groups)
		}

		t := db.Table{Columns: []string{"count", "attention", "first_at", "last_at", "samples", "signature"}}
		for _, g := range groups {
			samples := strings.Trim(fmt.Sprint(g.Samples), "[]")
			t.Rows = append(t.Rows, []any{g.Count, g.Attention, g.FirstAt, g.LastAt, samples, g.Signature})
		}

		return writeTable(p.stdout, t, "table")
	})
}
