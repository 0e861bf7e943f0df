package workers

import (
	"context"
	"errors"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
	"orders/order/flow"
	"orders/order/repair"
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

	changed func() // notifies that orders have changed
}

// Work runs each sweep until it has nothing left or its bound is reached.
func (c *compensate) Work(ctx context.Context, _ *river.Job[jobs.Compensate]) error {
	queue := river.ClientFromContext[pgx.Tx](ctx)

	var (
		errs  error
		total int
	)

	// An error of one sweep must not keep the others from running.
	for _, do := range c.sweeps(queue) {
		n, err := c.repeat(ctx, do)
		errs = errors.Join(errs, err)
		total += n
	}

	if total > 0 {
		c.log.WarnContext(ctx, "compensated", "count", total)
	}

	return errs
}

// A sweep repairs a bounded number of rows, and counts them. more tells whether there
// may be others.
type sweep func(ctx context.Context, tx pgx.Tx) (n int, more bool, err error)

func (c *compensate) sweeps(queue *flow.Queue) []sweep {
	ofLetters := repair.Sweeps(queue, c.rules)
	sweeps := append(make([]sweep, 0, 3+len(ofLetters)),
		func(ctx context.Context, tx pgx.Tx) (int, bool, error) {
			n, err := flow.ExpireOverdue(ctx, tx, c.rules.PendingDeadline, sweepLimit)

			return n, n > 0, err
		},
		func(ctx context.Context, tx pgx.Tx) (int, bool, error) {
			return repair.MissingJobs(ctx, tx, queue, scanLimit)
		},
		func(ctx context.Context, tx pgx.Tx) (int, bool, error) {
			n, err := repair.MissingJobsAgain(ctx, tx, queue)

			return n, false, err
		},
	)

	for _, letters := range ofLetters {
		sweeps = append(sweeps, func(ctx context.Context, tx pgx.Tx) (int, bool, error) {
			n, err := letters(ctx, tx, sweepLimit)

			return n, n == sweepLimit, err
		})
	}

	return sweeps
}

// repeat runs a sweep while there is more for it, each time in a transaction of its own.
func (c *compensate) repeat(ctx context.Context, do sweep) (total int, err error) {
	for range sweepRounds {
		var (
			n    int
			more bool
		)

		err := db.InTx(ctx, c.pool, func(tx pgx.Tx) (err error) {
			n, more, err = do(ctx, tx)

			return err
		})
		if err != nil {
			return total, jobError(err)
		}

		if n > 0 {
			c.changed()
		}

		if total += n; !more {
			break
		}
	}

	return total, nil
}
