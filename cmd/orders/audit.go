package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/orders/output"
	"orders/cmd/orders/progress"
	"orders/cmd/orders/shell"
	"orders/db"
	"orders/db/audit"
	"orders/db/report"
)

// errBroken makes the exit code of an audit that found something.
var errBroken = errors.New("the data breaks its invariants")

type auditCmd struct {
	JSON  bool          `name:"json" help:"Print the result as JSON."`
	Grace time.Duration `default:"5m" help:"How long an order may take to settle. Younger orders are not checked for it."`
}

// Validate reports a mistake in the flags.
func (c auditCmd) Validate() error {
	if c.Grace < 0 {
		return errors.New("--grace: write a duration that is not negative, for example 5m")
	}

	return nil
}

// auditResult is the result of an audit, as JSON.
type auditResult struct {
	OK         bool           `json:"ok"`
	Invariants []auditOutcome `json:"invariants"`
}

type auditOutcome struct {
	Name       string      `json:"name"`
	Sentence   string      `json:"sentence"`
	Violations []violation `json:"violations"`
}

type violation struct {
	Invariant string `json:"invariant"`
	Subject   string `json:"subject"`
	Detail    string `json:"detail"`
}

// Run checks the invariants on all data, also while the system works. Its exit code tells
// broken data from a check that was not made.
func (c auditCmd) Run(p *program) error {
	result, err := c.audit(p)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnasked, err)
	}

	if err := result.write(p.stdout, c.JSON); err != nil {
		return err
	}

	if !result.OK {
		return errBroken
	}

	return nil
}

// audit checks each invariant, and records what it finds: GET /audit shows it. A standby
// is read only, so there nothing is recorded.
func (c auditCmd) audit(p *program) (result auditResult, err error) {
	pool, err := openChecked(p)
	if err != nil {
		return result, err
	}
	defer pool.Close()

	readOnly, err := db.ReadOnly(p.ctx, pool)
	if err != nil {
		return result, err
	}

	if readOnly {
		fmt.Fprintln(p.stderr, "this server is read only: the findings are printed, and not recorded for GET /audit")
	}

	begun := time.Now()
	violations, orders := 0, 0
	result.OK = true

	for _, invariant := range audit.Invariants() {
		found, n, err := c.check(p, pool, invariant, !readOnly)
		if err != nil {
			return result, err
		}

		result.Invariants = append(result.Invariants, auditOutcome{
			Name: invariant.Name, Sentence: invariant.Sentence,
			Violations: shell.Each(found, func(v audit.Violation) violation { return violation(v) }),
		})
		result.OK = result.OK && len(found) == 0
		violations += len(found)
		orders = max(orders, n)
	}

	if readOnly {
		return result, nil
	}

	return result, db.InTx(p.ctx, pool, func(tx pgx.Tx) error {
		return audit.RecordRun(p.ctx, tx, audit.Full, time.Since(begun), orders, violations)
	})
}

// check checks one invariant, and may record what it finds. It also returns how many orders
// it went through.
func (c auditCmd) check(
	p *program, pool *pgxpool.Pool, invariant audit.Invariant, record bool,
) (found []audit.Violation, orders int, err error) {
	bar := progress.Start(p.stderr, invariant.Name)

	defer func() {
		if err != nil {
			bar.End("not checked")
		}
	}()

	at := func(done, total int) {
		orders = done
		bar.At(done, total)
	}

	err = db.InTx(p.ctx, pool, func(tx pgx.Tx) error {
		// Checking all data may take longer than a request may.
		if err := db.LiftStatementTimeout(p.ctx, tx); err != nil {
			return err
		}

		if found, err = invariant.Check(p.ctx, tx, c.Grace, at); err != nil || !record {
			return err
		}

		if invariant.Scope == audit.ScopeSums {
			if err := audit.RebuildSums(p.ctx, tx); err != nil {
				return err
			}
		}

		return invariant.RecordCheck(p.ctx, tx, found)
	})
	if err != nil {
		return nil, 0, err
	}

	outcome := "holds"
	if len(found) > 0 {
		outcome = fmt.Sprintf("broken %d times", len(found))
	}

	if orders > 0 {
		outcome = fmt.Sprintf("%d orders, %s", orders, outcome)
	}

	bar.End(outcome)

	return found, orders, nil
}

func (r auditResult) write(w io.Writer, asJSON bool) error {
	const shown = 100 // of an invariant's violations; all of them as JSON

	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")

		return encoder.Encode(r)
	}

	table := report.Table{Columns: []string{"invariant", "subject", "detail"}}

	for _, o := range r.Invariants {
		for n, v := range o.Violations {
			if n == shown {
				table.Rows = append(table.Rows, []any{o.Name, "…", fmt.Sprintf("and %d more; --json has all", len(o.Violations)-shown)})

				break
			}

			table.Rows = append(table.Rows, []any{v.Invariant, v.Subject, v.Detail})
		}
	}

	if len(table.Rows) == 0 {
		_, err := fmt.Fprintf(w, "all %d invariants hold\n", len(r.Invariants))

		return err
	}

	return output.Table(w, table, "table")
}
