package deadletter

import (
	"fmt"
	"slices"

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

// maxLetters bounds how many dead letters a command lists or changes.
const maxLetters = 1_000

// selectFlags say which dead letters a command changes: by job id, or by a filter.
type selectFlags struct {
	JobIDs    []int64   `arg:"" optional:"" name:"job-id" help:"The dead letters' jobs; without them, the filter selects."`
	DryRun    bool      `help:"Write nothing, and print the outcome that each dead letter would have."`
	Limit     int       `default:"100" help:"How many dead letters the filter selects at most, the oldest first: 1 to 1000."`
	Operation uuid.UUID `placeholder:"UUID" help:"Identifies this operation, so that repeating it changes nothing; a new id by default."`
	JSON      bool      `name:"json" help:"For scripts: an object, as the API returns it."`
}

// operation is the operation on the letters. It refuses what would change all letters by
// mistake.
func (c selectFlags) operation(filter deadletter.Filter) (repair.Operation, error) {
	op := repair.Operation{ID: uuid.New(), Filter: filter, Limit: c.Limit, Actor: shell.Actor()}
	filtered := filter != deadletter.Filter{}

	switch {
	case filtered && len(c.JobIDs) > 0:
		return op, shell.Mistake("give job ids or a filter, not both")
	case !filtered && len(c.JobIDs) == 0:
		return op, shell.Mistake("say which dead letters: job ids, or at least one filter, such as --kind")
	case len(c.JobIDs) > 0:
		slices.Sort(c.JobIDs)
		op.JobIDs, op.Limit = slices.Compact(c.JobIDs), 0
	default:
		if err := checkLimit(c.Limit); err != nil {
			return op, err
		}
	}

	if c.Operation != uuid.Nil {
		op.ID = c.Operation
	}

	return op, nil
}

// mostLeft bounds how many letters are counted that a command has left.
const mostLeft = 10_000

// leftOf counts the letters that the filter of an operation selects beyond its limit, up to [mostLeft].
func leftOf(s *shell.Shell, tx pgx.Tx, op repair.Operation, done []int64) (int, error) {
	if len(op.JobIDs) > 0 || len(done) < op.Limit {
		return 0, nil
	}

	found, err := deadletter.Oldest(s.Ctx, tx, op.Filter, len(done)+mostLeft)
	if err != nil {
		return 0, err
	}

	was := make(map[int64]bool, len(done))
	for _, id := range done {
		was[id] = true
	}

	left := 0

	for _, id := range found {
		if !was[id] {
			left++
		}
	}

	return left, nil
}

// sayLeft says that a command has not been about all letters that its filter selects.
func sayLeft(s *shell.Shell, left int) {
	switch {
	case left >= mostLeft:
		fmt.Fprintf(s.Stderr, "%d dead letters or more match, too: run it again, or give a larger --limit, up to %d.\n",
			mostLeft, maxLetters)
	case left == 1:
		fmt.Fprintln(s.Stderr, "One more dead letter matches: run it again, or give a larger --limit.")
	case left > 0:
		fmt.Fprintf(s.Stderr, "%d more dead letters match: run it again, or give a larger --limit, up to %d.\n", left, maxLetters)
	}
}

func checkLimit(limit int) error {
	if limit < 1 || limit > maxLetters {
		return shell.Mistake("--limit: %d is not 1 to %d", limit, maxLetters)
	}

	return nil
}

type redriveCmd struct {
	letterFlags
	selectFlags

	Rate float64 `placeholder:"N" help:"How many of the new jobs may begin in a second; 0 for all at once."`
	Note string  `help:"Why, in words."`
}

// Run redrives the letters. It fails if a letter that was named is not there or cannot be
// redriven.
func (c redriveCmd) Run(s *shell.Shell) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}

	op, err := c.operation(filter)
	if err != nil {
		return err
	}

	if c.Rate != 0 && !(c.Rate >= 0.01 && c.Rate <= 10_000) { // NaN is neither
		return shell.Mistake("--rate: %v is not 0.01 to 10000", c.Rate)
	}

	return withKind(s, filter.Kind, func(pool *pgxpool.Pool) error {
		queue, err := s.Queue(pool)
		if err != nil {
			return err
		}

		var (
			run  repair.Run[repair.RedriveResult]
			left int
		)

		bar := progress.Start(s.Stderr, "redrive")
		err = db.InTx(s.Ctx, pool, func(tx pgx.Tx) (err error) {
			run, err = repair.RedriveMany(s.Ctx, tx, queue, repair.BulkRedrive{Operation: op, Note: c.Note, Rate: c.Rate}, c.DryRun)
			if err != nil {
				return err
			}

			left, err = leftOf(s, tx, op, shell.Each(run.Results, func(r repair.RedriveResult) int64 { return r.JobID }))

			return err
		})
		if err != nil {
			bar.Abandon()

			return shell.Refusal(err)
		}

		bar.End(fmt.Sprintf("%d dead letters", len(run.Results)))

		if err := c.print(s, run.ID, run.Results); err != nil {
			return err
		}

		sayLeft(s, left)

		return c.refused(op, run.Results)
	})
}

// refused is the error of letters that were named and not redriven.
func (c redriveCmd) refused(op repair.Operation, results []repair.RedriveResult) error {
	n := 0

	for _, r := range results {
		if r.Outcome == repair.NotFound || r.Outcome == repair.NotRedrivable {
			n++
		}
	}

	if n == 0 || len(op.JobIDs) == 0 {
		return nil
	}

	return fmt.Errorf("%d of %d dead letters are not there or cannot be redriven", n, len(results))
}

func (c redriveCmd) print(s *shell.Shell, operation uuid.UUID, results []repair.RedriveResult) error {
	if c.JSON {
		return s.PrintJSON(operator.BulkRedriveResultOf(operation, c.DryRun, results))
	}

	t := report.Table{Columns: []string{"job_id", "outcome", "new_job_id"}}
	for _, r := range results {
		t.Rows = append(t.Rows, []any{r.JobID, string(r.Outcome), output.ValueOf(r.NewJobID)})
	}

	if err := s.PrintTable(t); err != nil || c.DryRun {
		return err
	}

	_, err := fmt.Fprintf(s.Stdout, "\noperation %s\n", operation)

	return err
}
