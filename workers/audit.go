package workers

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/audit"
	"orders/jobs"
)

// Bounds of one attempt. The next job continues where this one has stopped, so that
// an audit that begins late, or on an old database, catches up job by job.
const (
	auditIncrements = 100              // of 10,000 orders each: more than come in between two audits
	auditTime       = 40 * time.Second // after which no increment is begun
)

// auditor checks the invariants on what is new, in one small transaction per increment.
type auditor struct {
	policy[jobs.Audit]

	pool *pgxpool.Pool
	log  *slog.Logger
}

// Work audits until it reaches the present or a bound.
func (a *auditor) Work(ctx context.Context, _ *river.Job[jobs.Audit]) error {
	var (
		orders int
		done   bool
		begun  = time.Now()
		found  = map[string][]audit.Violation{}
	)

	for n := 0; n < auditIncrements && !done && time.Since(begun) < auditTime; n++ {
		var increment audit.Increment

		err := db.InTx(ctx, a.pool, func(tx pgx.Tx) (err error) {
			increment, err = audit.Next(ctx, tx, audit.Options{Grace: audit.Grace, Again: n == 0})

			return err
		})
		if err != nil {
			return jobError(err)
		}

		for _, v := range increment.Violations {
			found[v.Invariant] = append(found[v.Invariant], v)
		}

		orders += increment.Orders
		done = increment.Done
	}

	return a.report(ctx, time.Since(begun), orders, found)
}

// report logs which invariants are broken, and records the audit in audit_runs. The increments
// have recorded the findings themselves. Subjects may be customers or Idempotency-Keys, so the
// log does not name them: GET /audit and `orders audit` do.
func (a *auditor) report(ctx context.Context, took time.Duration, orders int, found map[string][]audit.Violation) error {
	violations := 0

	for invariant, list := range found {
		violations += len(list)
		a.log.WarnContext(ctx, "audit found a broken invariant", "invariant", invariant, "violations", len(list))
	}

	err := db.InTx(ctx, a.pool, func(tx pgx.Tx) error {
		return audit.RecordRun(ctx, tx, audit.Incremental, took, orders, violations)
	})

	return jobError(err)
}
