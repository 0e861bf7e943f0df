package flow

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/pipeline"
	"orders/jobs"
	"orders/order"
)

// chunksOf cuts new orders, sorted by id, into chunks of at most size orders. The orders of
// a chunk share the jobs of their steps, and have the id of its first order as their batch.
func chunksOf(orders []db.NewOrder, size int) [][]db.NewOrder {
	slices.SortFunc(orders, func(a, b db.NewOrder) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	chunks := slices.Collect(slices.Chunk(orders, max(size, 1)))

	for _, chunk := range chunks {
		for i := range chunk {
			chunk[i].Batch = uuid.NullUUID{UUID: chunk[0].ID, Valid: len(chunk) > 1}
		}
	}

	return chunks
}

// firstJobs are the jobs of the orders that were created: one for each step that is due at
// once, shared by the orders of a chunk and, for a held order, one for its deadline.
func firstJobs(chunks [][]db.NewOrder, created map[uuid.UUID]time.Time) []river.InsertManyParams {
	var work []river.InsertManyParams

	for _, chunk := range chunks {
		for _, step := range order.Steps() {
			var due []uuid.UUID

			for _, o := range chunk {
				if _, isNew := created[o.ID]; isNew && step.Due(o.Status, o.HoldUntil != nil) {
					due = append(due, o.ID)
				}
			}

			switch len(due) {
			case 0:
			case 1:
				work = append(work, river.InsertManyParams{Args: jobs.Step(step, due[0])})
			default:
				work = append(work, jobs.Batch(step, chunk[0].ID, due).Params())
			}
		}

		for _, o := range chunk {
			if _, isNew := created[o.ID]; isNew && o.HoldUntil != nil {
				work = append(work, river.InsertManyParams{
					Args:       jobs.Expire(o.ID),
					InsertOpts: &river.InsertOpts{ScheduledAt: *o.HoldUntil},
				})
			}
		}
	}

	return work
}

// advance makes the moves of locked orders, which are to statuses that are not final,
// and enqueues the steps that become due by them.
func advance(ctx context.Context, tx pgx.Tx, queue *Queue, orders []order.Order, moves []db.Move) error {
	if len(moves) == 0 {
		return nil
	}

	if err := move(ctx, tx, moves); err != nil {
		return err
	}

	due := map[uuid.UUID][]order.Step{}

	for i, o := range orders {
		for _, step := range order.Steps() {
			if step.BecomesDue(o.Status, moves[i].To, o.HoldUntil != nil) {
				due[o.ID] = append(due[o.ID], step)
			}
		}
	}

	return enqueue(ctx, tx, queue, due)
}

// enqueue enqueues the jobs of steps that have become due. An order that is older than a
// step settles without it.
func enqueue(ctx context.Context, tx pgx.Tx, queue *Queue, due map[uuid.UUID][]order.Step) error {
	if len(due) == 0 {
		return nil
	}

	older, err := db.OlderThanSteps(ctx, tx, slices.Collect(maps.Keys(due)))
	if err != nil {
		return err
	}

	var work []river.InsertManyParams

	for id, steps := range due {
		for _, step := range steps {
			if !slices.Contains(older[id], step.Name) {
				work = append(work, river.InsertManyParams{Args: jobs.Step(step, id)})
			}
		}
	}

	return insertJobs(ctx, tx, queue, work)
}

// insertJobs enqueues jobs, with the transaction's next statement or its COMMIT.
func insertJobs(ctx context.Context, tx pgx.Tx, queue *Queue, work []river.InsertManyParams) error {
	const what = "enqueue steps"

	if len(work) == 0 {
		return nil
	}

	if _, err := queue.InsertManyTx(ctx, pipeline.Later(tx, what), work); err != nil {
		return fmt.Errorf(what+": %w", err)
	}

	return nil
}
