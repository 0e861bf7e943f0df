package flow

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
	"orders/order"
)

// firstJobs are the jobs of an order that is being placed: one for each step that is
// due at once and, if the order is held, one for its deadline.
func firstJobs(o order.Order) []river.InsertManyParams {
	var work []river.InsertManyParams

	for _, step := range order.Steps() {
		if step.Due(o.Status, o.HoldUntil != nil) {
			work = append(work, river.InsertManyParams{Args: jobs.Step(step, o.ID)})
		}
	}

	if o.HoldUntil != nil {
		work = append(work, river.InsertManyParams{
			Args:       jobs.Expire(o.ID),
			InsertOpts: &river.InsertOpts{ScheduledAt: *o.HoldUntil},
		})
	}

	return work
}

// advance makes the moves of locked orders, which are to statuses that are not final,
// and enqueues the steps that become due by them.
func advance(ctx context.Context, tx pgx.Tx, queue *Queue, orders []order.Order, moves []db.Move) error {
	var work []river.InsertManyParams

	for i, o := range orders {
		for _, step := range order.Steps() {
			if step.BecomesDue(o.Status, moves[i].To, o.HoldUntil != nil) {
				work = append(work, river.InsertManyParams{Args: jobs.Step(step, o.ID)})
			}
		}
	}

	if len(moves) == 0 {
		return nil
	}

	if err := db.SetStatus(ctx, tx, moves); err != nil || len(work) == 0 {
		return err
	}

	if _, err := queue.InsertManyTx(ctx, tx, work); err != nil {
		return fmt.Errorf("enqueue steps: %w", err)
	}

	return nil
}
