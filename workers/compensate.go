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
)

// Bounds of one run; what is left waits for the next.
const (
	sweepLimit  = 500    // orders or letters of one transaction that changes them
	walkLimit   = 10_000 // orders of one transaction that looks for orphans
	sweepRounds = 20     // transactions of each sweep
)

// compensate sweeps up behind what went wrong, in small transactions. Two of them
// at once share the work: each passes over what the other has locked.
type compensate struct {
	policy[jobs.Compensate]

	pool  *pgxpool.Pool
	log   *slog.Logger
	rules flow.Compensation

	changed func() // announces that orders have changed
}

// Work runs each sweep until it has nothing left or its bound is reached.
func (c *compensate) Work(ctx context.Context, _ *river.Job[jobs.Compensate]) error {
	queue := river.ClientFromContext[pgx.Tx](ctx)

	var (
		errs  error
		total int
	)

	// Each sweep for itself: what one cannot do must not keep the others from their work.
	for _, sweep := range c.sweeps(queue) {
		n, err := c.sweep(ctx, func(tx pgx.Tx) (int, bool, error) { return sweep(ctx, tx) })
		errs = errors.Join(errs, err)
		total += n
	}

	if total > 0 {
		c.log.WarnContext(ctx, "compensated", "count", total)
	}

	return errs
}

// sweeps are all that is done, each over a bounded number of rows; more tells
// whether there may be others.
func (c *compensate) sweeps(queue *river.Client[pgx.Tx]) []func(ctx context.Context, tx pgx.Tx) (n int, more bool, err error) {
	letters := flow.Sweeps(queue, c.rules)
	sweeps := make([]func(ctx context.Context, tx pgx.Tx) (n int, more bool, err error), 0, 3+len(letters))

	sweeps = append(sweeps,
		func(ctx context.Context, tx pgx.Tx) (int, bool, error) {
			n, err := flow.ExpireOverdue(ctx, tx, c.rules.PendingDeadline, sweepLimit)

			return n, n > 0, err
		},
		func(ctx context.Context, tx pgx.Tx) (int, bool, error) {
			return flow.AdoptOrphans(ctx, tx, queue, walkLimit)
		},
		func(ctx context.Context, tx pgx.Tx) (int, bool, error) {
			n, err := flow.AdoptLateOrphans(ctx, tx, queue)

			return n, false, err
		},
	)

	for _, sweep := range letters {
		sweeps = append(sweeps, func(ctx context.Context, tx pgx.Tx) (int, bool, error) {
			n, err := sweep(ctx, tx, sweepLimit)

			return n, n == sweepLimit, err
		})
	}

	return sweeps
}

// sweep runs do in a transaction of its own, again while it says that there is more.
func (c *compensate) sweep(ctx context.Context, do func(tx pgx.Tx) (n int, more bool, err error)) (total int, err error) {
	for range sweepRounds {
		var (
			n    int
			more bool
		)

		err := db.InTx(ctx, c.pool, func(tx pgx.Tx) (err error) {
			n, more, err = do(tx)

			return err
		})
		if err != nil {
			return total, outcome(db.Error(err))
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
