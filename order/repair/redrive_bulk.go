package repair

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/deadletter"
	"orders/order"
	"orders/order/flow"
)

// A BulkRedrive requests that the work of all dead letters that match a filter is done
// again, the oldest letters first.
type BulkRedrive struct {
	Filter      deadletter.Filter
	OperationID uuid.UUID
	Actor, Note string
	Limit       int
	Rate        float64 // jobs that may begin in a second; 0 for all at once
}

// RedriveMatching redrives the open letters that match the filter. If the operation has
// run before, RedriveMatching does nothing and returns the results of that run.
func RedriveMatching(
	ctx context.Context, tx pgx.Tx, queue *flow.Queue, bulk BulkRedrive, dryRun bool,
) ([]RedriveResult, error) {
	if !dryRun {
		earlier, err := earlierRun(ctx, tx, bulk.OperationID)
		if err != nil || len(earlier) > 0 {
			return earlier, err
		}
	}

	jobIDs, err := deadletter.Oldest(ctx, tx, bulk.Filter, bulk.Limit)
	if err != nil {
		return nil, err
	}

	now, err := db.Now(ctx, tx)
	if err != nil {
		return nil, err
	}

	redrives := make([]RedriveRequest, len(jobIDs))
	for i, jobID := range jobIDs {
		redrives[i] = RedriveRequest{JobID: jobID, OperationID: bulk.OperationID, Actor: bulk.Actor, Note: bulk.Note}

		if bulk.Rate > 0 && i > 0 {
			redrives[i].At = now.Add(time.Duration(float64(i) / bulk.Rate * float64(time.Second)))
		}
	}

	return Redrive(ctx, tx, queue, redrives, dryRun)
}

// earlierRun makes runs of an operation wait for each other and returns the results of an
// earlier run.
func earlierRun(ctx context.Context, tx pgx.Tx, operation uuid.UUID) ([]RedriveResult, error) {
	if err := deadletter.LockOperation(ctx, tx, operation); err != nil {
		return nil, err
	}

	recorded, err := deadletter.RedrivesOf(ctx, tx, operation)
	if err != nil {
		return nil, err
	}

	done := make([]RedriveResult, len(recorded))
	for i, past := range recorded {
		done[i] = RedriveResult{JobID: past.JobID, Outcome: Outcome(past.Outcome), NewJobID: past.NewJobID}
	}

	return done, nil
}

// RedriveOne redrives one letter; [order.NotFound] if there is none.
func RedriveOne(ctx context.Context, tx pgx.Tx, queue *flow.Queue, request RedriveRequest) (RedriveResult, error) {
	done, err := Redrive(ctx, tx, queue, []RedriveRequest{request}, false)
	if err != nil {
		return RedriveResult{}, err
	}

	if done[0].Outcome == NotFound {
		return RedriveResult{}, order.Errorf(order.NotFound, "There is no dead letter of job %d.", request.JobID)
	}

	return done[0], nil
}
