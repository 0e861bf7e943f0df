package main

import (
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/operator"
	"orders/cmd/orders/output"
	"orders/db"
	"orders/db/deadletter"
	"orders/db/report"
	"orders/order/repair"
)

type showLetterCmd struct {
	JobID int64 `arg:"" help:"The dead letter's job."`
	JSON  bool  `name:"json" help:"For scripts: an object, as GET /dead-letters/{job_id} has it."`
}

func (c showLetterCmd) Run(p *program) error {
	return withPool(p, func(pool *pgxpool.Pool) error {
		letter, err := deadletter.Read(p.ctx, pool, c.JobID)
		if err != nil {
			return messageOnly(err)
		}

		return showLetter(p, letter, c.JSON)
	})
}

type resolveLetterCmd struct {
	Kind      string            `help:"Only jobs of this kind."`
	Class     deadletter.Reason `enum:",${letter_reasons}" default:"" help:"Only dead letters with this reason, which list calls --reason: ${letter_reasons}."`
	Signature string            `help:"Only dead letters with this signature, as groups prints it."`
	Order     string            `placeholder:"ID" help:"Only dead letters of this order."`
	selectFlags

	Reason string `required:"" help:"Why nothing is to be done."`
}

// Run resolves one letter and prints it, or resolves several and prints the outcomes.
func (c resolveLetterCmd) Run(p *program) error {
	filter, err := letterFlags{kindFlags: kindFlags{Kind: c.Kind, Reason: c.Class}, Signature: c.Signature, Order: c.Order}.filter()
	if err != nil {
		return err
	}

	op, err := c.operation(filter)
	if err != nil {
		return err
	}

	if len(op.JobIDs) == 1 && !c.DryRun && c.Operation == "" {
		return changeLetter(p, c.JSON, func(tx pgx.Tx) (deadletter.Detail, error) {
			return repair.ResolveLetter(p.ctx, tx, op.JobIDs[0], op.Actor, c.Reason)
		})
	}

	return withKind(p, filter.Kind, func(pool *pgxpool.Pool) error {
		var run repair.Run[repair.ResolveResult]

		err := db.InTx(p.ctx, pool, func(tx pgx.Tx) (err error) {
			run, err = repair.ResolveMany(p.ctx, tx, repair.BulkResolve{Operation: op, Reason: c.Reason}, c.DryRun)

			return err
		})
		if err != nil {
			return messageOnly(err)
		}

		return c.print(p, op, run.Results)
	})
}

// print prints the outcomes. It fails if a letter that was named is not there.
func (c resolveLetterCmd) print(p *program, op repair.Operation, results []repair.ResolveResult) error {
	missing := 0
	t := report.Table{Columns: []string{"job_id", "outcome"}}

	for _, r := range results {
		t.Rows = append(t.Rows, []any{r.JobID, string(r.Outcome)})

		if r.Outcome == repair.ResolveNotFound {
			missing++
		}
	}

	var err error
	if c.JSON {
		err = printJSON(p, operator.BulkResolveResultOf(op.ID, c.DryRun, results))
	} else {
		err = writeTable(p.stdout, t, "table")
	}

	if err != nil {
		return err
	}

	if !c.JSON && !c.DryRun {
		fmt.Fprintf(p.stdout, "\noperation %s\n", op.ID)
	}

	if missing > 0 {
		return fmt.Errorf("%d of %d dead letters are not there", missing, len(results))
	}

	return nil
}

type reopenLetterCmd struct {
	JobID  int64  `arg:"" help:"The dead letter's job."`
	Reason string `required:"" help:"Why the dismissal is undone."`
	JSON   bool   `name:"json" help:"For scripts: an object, as GET /dead-letters/{job_id} has it."`
}

func (c reopenLetterCmd) Run(p *program) error {
	return changeLetter(p, c.JSON, func(tx pgx.Tx) (deadletter.Detail, error) {
		return repair.ReopenLetter(p.ctx, tx, c.JobID, shellActor(), c.Reason)
	})
}

// changeLetter changes one letter and prints it.
func changeLetter(p *program, asJSON bool, change func(tx pgx.Tx) (deadletter.Detail, error)) error {
	return withPool(p, func(pool *pgxpool.Pool) error {
		var letter deadletter.Detail

		err := db.InTx(p.ctx, pool, func(tx pgx.Tx) (err error) {
			letter, err = change(tx)

			return err
		})
		if err != nil {
			return messageOnly(err)
		}

		return showLetter(p, letter, asJSON)
	})
}

// showLetter prints JSON, or three tables: the letter, one field a row; its errors; its redrives.
func showLetter(p *program, l deadletter.Detail, asJSON bool) error {
	if asJSON {
		return printJSON(p, operator.DeadLetterDetailOf(l))
	}

	for _, t := range output.Letter(l) {
		if len(t.Rows) == 0 {
			continue
		}

		if err := writeTable(p.stdout, t, "table"); err != nil {
			return err
		}

		fmt.Fprintln(p.stdout)
	}

	return nil
}
