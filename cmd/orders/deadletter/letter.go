package deadletter

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/operator"
	"orders/cmd/orders/output"
	"orders/cmd/orders/progress"
	"orders/cmd/orders/shell"
	"orders/db"
	"orders/db/deadletter"
	"orders/db/report"
	"orders/order/repair"
)

type showLetterCmd struct {
	JobID int64 `arg:"" help:"The dead letter's job."`
	JSON  bool  `name:"json" help:"For scripts: an object, as GET /dead-letters/{job_id} has it."`
}

func (c showLetterCmd) Run(s *shell.Shell) error {
	return s.WithPool(func(pool *pgxpool.Pool) error {
		letter, err := deadletter.Read(s.Ctx, pool, c.JobID)
		if err != nil {
			return shell.Refusal(err)
		}

		return showLetter(s, letter, c.JSON)
	})
}

type resolveLetterCmd struct {
	Kind      string            `help:"Only jobs of this kind."`
	Class     deadletter.Reason `enum:",${letter_reasons}" default:"" help:"Only dead letters with this reason, which list calls --reason: ${letter_reasons}."`
	Signature string            `help:"Only dead letters with this signature, as groups prints it."`
	Order     uuid.UUID         `placeholder:"ID" what:"an order's id" help:"Only dead letters of this order."`
	periodFlags
	selectFlags

	Reason string `required:"" help:"Why nothing is to be done."`
}

// Run resolves one letter and prints it, or resolves several and prints the outcomes.
func (c resolveLetterCmd) Run(s *shell.Shell) error {
	filter, err := letterFlags{
		kindFlags: kindFlags{Kind: c.Kind, Reason: c.Class}, periodFlags: c.periodFlags, Signature: c.Signature, Order: c.Order,
	}.filter()
	if err != nil {
		return err
	}

	op, err := c.operation(filter)
	if err != nil {
		return err
	}

	if len(op.JobIDs) == 1 && !c.DryRun && c.Operation == uuid.Nil {
		return changeLetter(s, c.JSON, func(tx pgx.Tx) (deadletter.Detail, error) {
			return repair.ResolveLetter(s.Ctx, tx, op.JobIDs[0], op.Actor, c.Reason)
		})
	}

	return withKind(s, filter.Kind, func(pool *pgxpool.Pool) error {
		var (
			run  repair.Run[repair.ResolveResult]
			left int
		)

		bar := progress.Start(s.Stderr, "resolve")
		err := db.InTx(s.Ctx, pool, func(tx pgx.Tx) (err error) {
			run, err = repair.ResolveMany(s.Ctx, tx, repair.BulkResolve{Operation: op, Reason: c.Reason}, c.DryRun)
			if err != nil {
				return err
			}

			left, err = leftOf(s, tx, op, shell.Each(run.Results, func(r repair.ResolveResult) int64 { return r.JobID }))

			return err
		})
		if err != nil {
			bar.Abandon()

			return shell.Refusal(err)
		}

		bar.End(fmt.Sprintf("%d dead letters", len(run.Results)))
		defer sayLeft(s, left)

		return c.print(s, op, run.Results)
	})
}

// print prints the outcomes. It fails if a letter that was named is not there.
func (c resolveLetterCmd) print(s *shell.Shell, op repair.Operation, results []repair.ResolveResult) error {
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
		err = s.PrintJSON(operator.BulkResolveResultOf(op.ID, c.DryRun, results))
	} else {
		err = s.PrintTable(t)
	}

	if err != nil {
		return err
	}

	if !c.JSON && !c.DryRun {
		fmt.Fprintf(s.Stdout, "\noperation %s\n", op.ID)
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

func (c reopenLetterCmd) Run(s *shell.Shell) error {
	return changeLetter(s, c.JSON, func(tx pgx.Tx) (deadletter.Detail, error) {
		return repair.ReopenLetter(s.Ctx, tx, c.JobID, shell.Actor(), c.Reason)
	})
}

// changeLetter changes one letter and prints it.
func changeLetter(s *shell.Shell, asJSON bool, change func(tx pgx.Tx) (deadletter.Detail, error)) error {
	return s.WithPool(func(pool *pgxpool.Pool) error {
		var letter deadletter.Detail

		err := db.InTx(s.Ctx, pool, func(tx pgx.Tx) (err error) {
			letter, err = change(tx)

			return err
		})
		if err != nil {
			return shell.Refusal(err)
		}

		return showLetter(s, letter, asJSON)
	})
}

// showLetter prints JSON, or three tables: the letter, one field a row; its errors; its redrives.
func showLetter(s *shell.Shell, l deadletter.Detail, asJSON bool) error {
	if asJSON {
		return s.PrintJSON(operator.DeadLetterDetailOf(l))
	}

	for _, t := range output.Letter(l) {
		if len(t.Rows) == 0 {
			continue
		}

		if err := s.PrintTable(t); err != nil {
			return err
		}

		fmt.Fprintln(s.Stdout)
	}

	return nil
}
