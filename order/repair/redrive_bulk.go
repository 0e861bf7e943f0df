package repair

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
	"orders/order/flow"
)

// A BulkRedrive requests that the work of dead letters is done again.
type BulkRedrive struct {
	Operation

	Note string  // why
	Rate float64 // jobs that may begin in a second; 0 for all at once
}

// RedriveMany redrives the letters of an operation. If the operation has run before,
// RedriveMany does nothing and returns that run. A dry run writes nothing, so it needs no key.
func RedriveMany(ctx context.Context, tx pgx.Tx, queue *flow.Queue, bulk BulkRedrive, dryRun bool) (Run[RedriveResult], error) {
	redrive := func() ([]RedriveResult, error) {
		requests, err := bulk.requests(ctx, tx)
		if err != nil {
			return nil, err
		}

		return Redrive(ctx, tx, queue, requests, dryRun)
	}

	if dryRun {
		return run(bulk.Operation, redrive)
	}

	return once(ctx, tx, bulk.Operation, "redrive", []any{bulk.Note, bulk.Rate}, redrive)
}

// requests ask for a redrive of each of the operation's letters, at its rate.
func (b BulkRedrive) requests(ctx context.Context, tx pgx.Tx) ([]RedriveRequest, error) {
	jobIDs, err := b.letters(ctx, tx)
	if err != nil {
		return nil, err
	}

	now, err := db.Now(ctx, tx)
	if err != nil {
		return nil, err
	}

	requests := make([]RedriveRequest, len(jobIDs))
	for i, jobID := range jobIDs {
		requests[i] = RedriveRequest{JobID: jobID, OperationID: b.ID, Actor: b.Actor, Note: b.Note}

		if b.Rate > 0 && i > 0 {
			requests[i].At = now.Add(time.Duration(float64(i) / b.Rate * float64(time.Second)))
		}
	}

	return requests, nil
}

// RedriveOne redrives the one letter of an operation; [order.NotFound] if there is none.
func RedriveOne(ctx context.Context, tx pgx.Tx, queue *flow.Queue, bulk BulkRedrive) (Run[RedriveResult], error) {
	done, err := RedriveMany(ctx, tx, queue, bulk, false)
	if err == nil && done.Results[0].Outcome == NotFound {
		err = order.Errorf(order.NotFound, "There is no dead letter of job %d.", done.Results[0].JobID)
	}

	return done, err
}
