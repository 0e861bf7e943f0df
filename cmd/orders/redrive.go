package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/operator"
	"orders/db"
	"orders/db/deadletter"
	"orders/db/report"
	"orders/jobs"
	"orders/order/flow"
	"orders/order/repair"
)

type redriveCmd struct {
	letterFlags

	JobIDs    []int64 `arg:"" optional:"" name:"job-id" help:"The dead letters' jobs; without them, the filter selects."`
	DryRun    bool    `help:"Write nothing, and print the outcome that each dead letter would have."`
	Limit     int     `default:"100" help:"How many dead letters the filter selects at most, the oldest first: 1 to 1000."`
	Rate      float64 `placeholder:"N" help:"How many of the new jobs may begin in a second; 0 for all at once."`
	Note      string  `help:"Why, in words."`
	Operation string  `placeholder:"UUID" help:"Identifies this operation, so that repeating it changes nothing; a new id by default."`
	JSON      bool    `name:"json" help:"For scripts: an object, as POST /dead-letters/redrive returns it."`
}

func (c redriveCmd) Run(p *program) error {
	filter, err := c.check()
	if err != nil {
		return err
	}

	operation := uuid.New()

	if c.Operation != "" {
		if operation, err = uuid.Parse(c.Operation); err != nil {
			return fmt.Errorf("--operation: %q is not a UUID", c.Operation)
		}
	}

	return withPool(p, func(pool *pgxpool.Pool) error {
		queue, err := jobs.NewClient(pool, p.quiet, p.jobs())
		if err != nil {
			return err
		}

		var results []repair.RedriveResult

		err = db.InTx(p.ctx, pool, func(tx pgx.Tx) (err error) {
			results, err = c.redrive(p, tx, queue, filter, operation)

			return err
		})
		if err != nil {
			return err
		}

		return c.print(p, operation, results)
	})
}

// check refuses what would redrive everything by mistake.
func (c redriveCmd) check() (deadletter.Filter, error) {
	filter, err := c.filter()
	filtered := filter != deadletter.Filter{}

	switch {
	case err != nil:
		return filter, err
	case filtered && len(c.JobIDs) > 0:
		return filter, errors.New("give job ids or a filter, not both")
	case !filtered && len(c.JobIDs) == 0:
		return filter, errors.New("say which dead letters: job ids, or at least one of --kind, --signature, --order and --reason")
	case c.Limit < 1 || c.Limit > 1_000:
		return filter, fmt.Errorf("--limit: %d is not 1 to 1000", c.Limit)
	case c.Rate != 0 && !(c.Rate >= 0.01 && c.Rate <= 10_000): // NaN is neither
		return filter, fmt.Errorf("--rate: %v is not 0.01 to 10000", c.Rate)
	default:
		return filter, nil
	}
}

func (c redriveCmd) redrive(
	p *program, tx pgx.Tx, queue *flow.Queue, filter deadletter.Filter, operation uuid.UUID,
) ([]repair.RedriveResult, error) {
	if len(c.JobIDs) == 0 {
		return repair.RedriveMatching(p.ctx, tx, queue, repair.BulkRedrive{
			Filter: filter, OperationID: operation, Actor: shellActor(), Note: c.Note, Limit: c.Limit, Rate: c.Rate,
		}, c.DryRun)
	}

	slices.Sort(c.JobIDs)

	var requests []repair.RedriveRequest
	for _, jobID := range slices.Compact(c.JobIDs) {
		requests = append(requests, repair.RedriveRequest{JobID: jobID, OperationID: operation, Actor: shellActor(), Note: c.Note})
	}

	return repair.Redrive(p.ctx, tx, queue, requests, c.DryRun)
}

func (c redriveCmd) print(p *program, operation uuid.UUID, results []repair.RedriveResult) error {
	if c.JSON {
		return printJSON(p, operator.BulkRedriveResultOf(operation, c.DryRun, results))
	}

	t := report.Table{Columns: []string{"job_id", "outcome", "new_job_id"}}
	for _, r := range results {
		t.Rows = append(t.Rows, []any{r.JobID, string(r.Outcome), valueOf(r.NewJobID)})
	}

	if err := writeTable(p.stdout, t, "table"); err != nil || c.DryRun {
		return err
	}

	_, err := fmt.Fprintf(p.stdout, "\noperation %s\n", operation)

	return err
}
