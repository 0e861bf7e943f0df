package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

type redriveCmd struct {
	letterFlags

	JobIDs    []int64 `arg:"" optional:"" name:"job-id" help:"The letters' jobs; without any, the filter picks."`
	DryRun    bool    `help:"Write nothing, and say what would come of each."`
	Limit     int     `default:"100" help:"The most letters that the filter picks, those that have waited longest first: 1 to 1000."`
	Rate      float64 `placeholder:"N" help:"Jobs a second that may begin, of those that the filter picks; 0 for all at once."`
	Note      string  `help:"Why, in words."`
	Operation string  `placeholder:"UUID" help:"Names this act, so that repeating it does nothing twice; a new one by default."`
	JSON      bool    `name:"json" help:"For scripts: an object, as POST /dead-letters/redrive answers."`
}

// redriveResult is what a redrive came to, as JSON.
type redriveResult struct {
	OperationID uuid.UUID            `json:"operation_id"`
	DryRun      bool                 `json:"dry_run"`
	Outcomes    map[flow.Outcome]int `json:"outcomes"`
	Letters     []flow.Redriven      `json:"letters"`
}

func (c redriveCmd) Run(p *program) error {
	filter, err := c.check()
	if err != nil {
		return err
	}

	result := redriveResult{OperationID: uuid.New(), DryRun: c.DryRun, Outcomes: map[flow.Outcome]int{}, Letters: []flow.Redriven{}}

	if c.Operation != "" {
		if result.OperationID, err = uuid.Parse(c.Operation); err != nil {
			return fmt.Errorf("--operation: %q is no UUID", c.Operation)
		}
	}

	return withPool(p, func(pool *pgxpool.Pool) error {
		queue, err := jobs.NewClient(pool, p.quiet, p.jobs())
		if err != nil {
			return err
		}

		err = db.InTx(p.ctx, pool, func(tx pgx.Tx) (err error) {
			result.Letters, err = c.redrive(p, tx, queue, filter, result.OperationID)

			return err
		})
		if err != nil {
			return err
		}

		for _, letter := range result.Letters {
			result.Outcomes[letter.Outcome]++
		}

		return c.print(p, result)
	})
}

// check refuses what would redrive everything by a slip.
func (c redriveCmd) check() (db.LetterFilter, error) {
	filter, err := c.filter()
	narrowed := filter != db.LetterFilter{}

	switch {
	case err != nil:
		return filter, err
	case narrowed && len(c.JobIDs) > 0:
		return filter, errors.New("give job ids or a filter, not both")
	case !narrowed && len(c.JobIDs) == 0:
		return filter, errors.New("say which letters: job ids, or at least one of --kind, --signature, --order and --reason")
	case c.Limit < 1 || c.Limit > 1_000:
		return filter, fmt.Errorf("--limit: %d is not 1 to 1000", c.Limit)
	case c.Rate != 0 && !(c.Rate >= 0.01 && c.Rate <= 10_000): // NaN is neither
		return filter, fmt.Errorf("--rate: %v is not 0.01 to 10000", c.Rate)
	default:
		return filter, nil
	}
}

func (c redriveCmd) redrive(
	p *program, tx pgx.Tx, queue *river.Client[pgx.Tx], filter db.LetterFilter, operation uuid.UUID,
) ([]flow.Redriven, error) {
	if len(c.JobIDs) == 0 {
		return flow.RedriveMatching(p.ctx, tx, queue, flow.BulkRedrive{
			Filter: filter, OperationID: operation, Actor: shellActor(), Note: c.Note, Limit: c.Limit, Rate: c.Rate,
		}, c.DryRun)
	}

	slices.Sort(c.JobIDs)

	var redrives []flow.Redrive
	for _, jobID := range slices.Compact(c.JobIDs) {
		redrives = append(redrives, flow.Redrive{JobID: jobID, OperationID: operation, Actor: shellActor(), Note: c.Note})
	}

	return flow.RedriveAll(p.ctx, tx, queue, redrives, c.DryRun)
}

func (c redriveCmd) print(p *program, result redriveResult) error {
	if c.JSON {
		return printJSON(p, result)
	}

	t := db.Table{Columns: []string{"job_id", "outcome", "new_job_id"}}

	for _, letter := range result.Letters {
		var newJob any
		if letter.NewJobID != nil {
			newJob = *letter.NewJobID
		}

		t.Rows = append(t.Rows, []any{letter.JobID, string(letter.Outcome), newJob})
	}

	if err := writeTable(p.stdout, t, "table"); err != nil || c.DryRun {
		return err
	}

	_, err := fmt.Fprintf(p.stdout, "\noperation %s\n", result.OperationID)

	return err
}

type resolveLetterCmd struct {
	JobID  int64  `arg:"" help:"The letter's job."`
	Reason string `required:"" help:"Why nothing is to be done about it."`
	JSON   bool   `name:"json" help:"For scripts: an object, as GET /dead-letters/{job_id} has it."`
}

func (c resolveLetterCmd) Run(p *program) error {
	return withPool(p, func(pool *pgxpool.Pool) error {
		var letter db.DeadLetterWhole

		err := db.InTx(p.ctx, pool, func(tx pgx.Tx) (err error) {
			letter, err = flow.ResolveLetter(p.ctx, tx, c.JobID, shellActor(), c.Reason)

			return err
		})
		if err != nil {
			return spoken(err)
		}

		if c.JSON {
			return printJSON(p, letter)
		}

		return showLetter(p, letter)
	})
}

// spoken is a refusal in its own words, without its code.
func spoken(err error) error {
	if refusal, ok := errors.AsType[*order.Error](err); ok {
		return errors.New(refusal.Message)
	}

	return err
}
