package workers

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
)

// Bounds of one run. The next goes on where it stopped, so that an audit that
// begins late, or on an old database, catches up run by run.
const (
	auditSteps = 100              // of 10,000 orders each: more than come in between two runs
	auditTime  = 40 * time.Second // after which no new step is begun
)

// audit proves the invariants on what is new, a small transaction a step.
type audit struct {
	policy[jobs.Audit]

	pool *pgxpool.Pool
	log  *slog.Logger
}

// Work audits until the present is reached or a bound is.
func (a *audit) Work(ctx context.Context, _ *river.Job[jobs.Audit]) error {
	var (
		orders int
		begun  = time.Now()
		found  = map[string][]db.Violation{}
		done   = false
	)

	for n := 0; n < auditSteps && !done && time.Since(begun) < auditTime; n++ {
		var step db.AuditStep

		err := db.InTx(ctx, a.pool, func(tx pgx.Tx) (err error) {
			step, err = db.AuditNext(ctx, tx, db.AuditOptions{Grace: db.AuditGrace, Again: n == 0})

			return err
		})
		if err != nil {
			return outcome(db.Error(err))
		}

		for _, v := range step.Violations {
			found[v.Invariant] = append(found[v.Invariant], v)
		}

		orders += step.Orders
		done = step.Done
	}

	return a.report(ctx, time.Since(begun), orders, found)
}

// report says what was found where people look: in the log and in audit_runs; the
// findings themselves were kept by the steps.
func (a *audit) report(ctx context.Context, took time.Duration, orders int, found map[string][]db.Violation) error {
	violations := 0

	for invariant, list := range found {
		violations += len(list)
		a.log.WarnContext(ctx, "audit found an invariant broken", "invariant", invariant, "violations", len(list),
			"subject", list[0].Subject, "detail", list[0].Detail)
	}

	err := db.InTx(ctx, a.pool, func(tx pgx.Tx) error {
		return db.RecordAuditRun(ctx, tx, db.AuditIncremental, took, orders, violations)
	})

	return outcome(db.Error(err))
}
