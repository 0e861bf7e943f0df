package workers

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"orders/db"
	"orders/db/clock"
	"orders/db/jobqueue"
	"orders/jobs"
)

// policy gives a handler the timeout and the backoff of its kind's row of the job table.
type policy[A river.JobArgs] struct {
	river.WorkerDefaults[A]

	clock *clock.Clock
}

// Timeout bounds one attempt.
func (policy[A]) Timeout(job *river.Job[A]) time.Duration {
	return jobs.PolicyOf(job.Kind).Timeout
}

// NextRetry is when the next attempt is due after one that has just failed.
func (p policy[A]) NextRetry(job *river.Job[A]) time.Time {
	return p.clock.Now().Add(jobs.PolicyOf(job.Kind).RetryAfter(len(job.Errors) + 1))
}

// stepHandler is the handler of a step's jobs for one order.
type stepHandler struct {
	policy[jobs.OfOrder]

	work *stepWork
}

// Work hands the job's order to the step's group commit and waits for the commit, which
// completes the job, too. An order that fails is retried by River.
func (h *stepHandler) Work(ctx context.Context, job *river.Job[jobs.OfOrder]) error {
	if err := h.work.knows(job.Args.Template); err != nil {
		return err
	}

	return jobError(h.work.do(ctx, stepJob{Attempt: attemptOf(job.JobRow), orders: []uuid.UUID{job.Args.OrderID}}))
}

// batchHandler is the handler of a step's jobs that orders share.
type batchHandler struct {
	policy[jobs.OfBatch]

	work *stepWork
}

// Work hands the job's orders to the step's group commit. There, orders that fail get jobs
// of their own, and the job is completed. If the step fails as a whole, Work hands the
// orders in again, to be isolated. Only a fault of the database is left to River, which
// retries the job as it is.
//
// A job whose process has died is not worked as it is: one of its orders may be the cause.
func (h *batchHandler) Work(ctx context.Context, job *river.Job[jobs.OfBatch]) error {
	if err := h.work.knows(job.Args.Template); err != nil {
		return err
	}

	j := stepJob{Attempt: attemptOf(job.JobRow), orders: job.Args.OrderIDs, shared: true}

	if deaths(job.Metadata) > 0 {
		return jobError(h.work.split(ctx, j))
	}

	err := h.work.do(ctx, j)
	if err != nil && !db.Unavailable(err) {
		j.isolate = true
		err = h.work.do(ctx, j)
	}

	return jobError(err)
}

func attemptOf(job *rivertype.JobRow) jobqueue.Attempt {
	return jobqueue.Attempt{JobID: job.ID, Number: job.Attempt}
}
