package flow

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/order"
)

// A BulkRedrive asks to do the work of all dead letters again that a filter lets
// through, those that have waited longest first.
type BulkRedrive struct {
	Filter      db.LetterFilter
	OperationID uuid.UUID
	Actor, Note string
	Limit       int
	Rate        float64 // jobs a second that may begin; 0 for all at once
}

// RedriveMatching redrives the open letters that a filter lets through. An
// operation that has been there before is not done again: it answers with what
// came of it then, whatever the filter would find now.
func RedriveMatching(
	ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], bulk BulkRedrive, dryRun bool,
) ([]Redriven, error) {
	if !dryRun {
		earlier, err := earlierRun(ctx, tx, bulk.OperationID)
		if err != nil || len(earlier) > 0 {
			return earlier, err
		}
	}

	jobIDs, err := db.OldestDeadLetters(ctx, tx, bulk.Filter, bulk.Limit)
	if err != nil {
		return nil, err
	}

	now, err := db.Now(ctx, tx)
	if err != nil {
		return nil, err
	}

	redrives := make([]Redrive, len(jobIDs))
	for i, jobID := range jobIDs {
		redrives[i] = Redrive{JobID: jobID, OperationID: bulk.OperationID, Actor: bulk.Actor, Note: bulk.Note}

		if bulk.Rate > 0 && i > 0 {
			redrives[i].At = now.Add(time.Duration(float64(i) / bulk.Rate * float64(time.Second)))
		}
	}

	return RedriveAll(ctx, tx, queue, redrives, dryRun)
}

// earlierRun makes runs of an operation wait for each other and returns what an
// earlier one has done.
func earlierRun(ctx context.Context, tx pgx.Tx, operation uuid.UUID) ([]Redriven, error) {
	if err := db.LockOperation(ctx, tx, operation); err != nil {
		return nil, err
	}

	recorded, err := db.RedrivesOf(ctx, tx, operation)
	if err != nil {
		return nil, err
	}

	done := make([]Redriven, len(recorded))
	for i, past := range recorded {
		done[i] = Redriven{JobID: past.JobID, Outcome: Outcome(past.Outcome), NewJobID: past.NewJobID}
	}

	return done, nil
}

// RedriveLetter redrives one letter; [order.NotFound] when there is none.
func RedriveLetter(ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], redrive Redrive) (Redriven, error) {
	done, err := RedriveAll(ctx, tx, queue, []Redrive{redrive}, false)
	if err != nil {
		return Redriven{}, err
	}

	if done[0].Outcome == OutcomeNotFound {
		return Redriven{}, order.Errorf(order.NotFound, "There is no dead letter of job %d.", redrive.JobID)
	}

	return done[0], nil
}
