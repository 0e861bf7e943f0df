package workers

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/deadletter"
	"orders/db/progress"
	"orders/db/tally"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
	"orders/order/repair"
	"orders/order/webhook"
)

// Bounds of one attempt. The next job continues with what is left.
const (
	sweepLimit  = 500    // orders or letters of one transaction that changes them
	scanLimit   = 10_000 // orders of one transaction that looks for missing jobs
	sweepRounds = 20     // transactions of each sweep
)

// compensate repairs what went wrong, in small transactions. Two jobs that run at
// the same time share the work: each skips the rows that the other has locked.
type compensate struct {
	policy[jobs.Compensate]

	pool  *pgxpool.Pool
	log   *slog.Logger
	rules repair.Rules

	sampled *sampler // for lines about each letter

	changed func()             // notifies that orders have changed
	counted func(tally.Counts) // is told what was committed
}

// Work runs each sweep until it has nothing left or its bound is reached.
func (c *compensate) Work(ctx context.Context, _ *river.Job[jobs.Compensate]) error {
	queue := river.ClientFromContext[pgx.Tx](ctx)

	var errs error

	// An error of one sweep must not keep the others from running.
	for _, do := range c.sweeps(queue) {
		n, err := c.repeat(ctx, do)
		errs = errors.Join(errs, err)

		if n > 0 {
			c.log.WarnContext(ctx, "sweep repaired", "sweep", do.name, "count", n)
		}

		if err != nil {
			c.log.ErrorContext(ctx, "sweep failed", "sweep", do.name, "code", order.CodeOf(db.Error(err)), "error", logged(err))
		}
	}

	return errs
}

// A sweep repairs a bounded number of rows, and counts them. more tells whether there
// may be others. failure is the error of rows that it could not repair.
type sweep struct {
	name string
	run  func(ctx context.Context, tx pgx.Tx) (n int, more bool, failure, err error)
}

func (c *compensate) sweeps(queue *flow.Queue) []sweep {
	ofLetters := repair.Sweeps(queue, c.rules)
	sweeps := append(make([]sweep, 0, 4+len(ofLetters)),
		sweep{progress.SweepAnnounce, c.announce},
		sweep{progress.SweepExpire, func(ctx context.Context, tx pgx.Tx) (int, bool, error, error) {
			n, failure, err := flow.ExpireOverdue(ctx, tx, queue, c.rules.PendingDeadline, sweepLimit)

			return n, n > 0, failure, err
		}},
		sweep{progress.SweepMissingJobs, func(ctx context.Context, tx pgx.Tx) (int, bool, error, error) {
			n, more, err := repair.MissingJobs(ctx, tx, queue, scanLimit)

			return n, more, nil, err
		}},
		sweep{progress.SweepMissingAgain, func(ctx context.Context, tx pgx.Tx) (int, bool, error, error) {
			n, err := repair.MissingJobsAgain(ctx, tx, queue)

			return n, false, nil, err
		}},
	)

	sweeps = append(sweeps, sweep{progress.SweepDeliveries, func(ctx context.Context, tx pgx.Tx) (int, bool, error, error) {
		n, err := webhook.MissingJobs(ctx, tx, queue)

		return n, false, nil, err
	}})

	for _, letters := range ofLetters {
		sweeps = append(sweeps, sweep{letters.Name, func(ctx context.Context, tx pgx.Tx) (int, bool, error, error) {
			n, failure, err := letters.Run(ctx, tx, sweepLimit)

			return n, n == sweepLimit, failure, err
		}})
	}

	return sweeps
}

// repeat runs a sweep while there is more for it, each time in a transaction of its own, and
// records whether it has failed.
func (c *compensate) repeat(ctx context.Context, do sweep) (total int, failure error) {
	for range sweepRounds {
		var (
			n    int
			more bool
		)

		counting, counts := tally.With(ctx)

		err := db.InTx(counting, c.pool, func(tx pgx.Tx) (err error) {
			n, more, failure, err = do.run(counting, tx)

			return err
		})
		if err != nil {
			failure = err

			break
		}

		c.counted(counts)

		if n > 0 {
			c.changed()
		}

		if total += n; !more {
			break
		}
	}

	err := db.InTx(ctx, c.pool, func(tx pgx.Tx) error { return progress.RecordSweep(ctx, tx, do.name, failure) })

	return total, jobError(cmp.Or(failure, err))
}

// announce logs the letters that no worker has logged, whoever has given up their jobs.
func (c *compensate) announce(ctx context.Context, tx pgx.Tx) (n int, more bool, failure, err error) {
	letters, err := deadletter.Announce(ctx, tx, sweepLimit)
	if err != nil {
		return 0, false, nil, err
	}

	for _, l := range letters {
		c.sampled.Warn(ctx, "dead letter", l.Kind, order.Code(l.Code),
			"job", l.JobID, "order", l.OrderID, "attempts", l.Attempts, "reason", l.Reason)
	}

	return 0, len(letters) == sweepLimit, nil, nil
}
