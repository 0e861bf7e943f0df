package workers

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"orders/db/groupcommit"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// policy gives a handler the timeout and the backoff of its kind's row of the job table.
type policy[A river.JobArgs] struct {
	river.WorkerDefaults[A]
}

// Timeout bounds one attempt.
func (policy[A]) Timeout(job *river.Job[A]) time.Duration {
	return jobs.PolicyOf(job.Kind).Timeout
}

// NextRetry is when the next attempt is due after one that has just failed.
func (policy[A]) NextRetry(job *river.Job[A]) time.Time {
	return time.Now().Add(jobs.PolicyOf(job.Kind).RetryAfter(len(job.Errors) + 1))
}

// stepHandler is the handler of a declared step.
type stepHandler struct {
	policy[jobs.OfOrder]

	template order.Template
	group    *groupcommit.Group[uuid.UUID, flow.None]
}

// Work hands the job's order to the step's group commit and waits for the commit: a
// job is never completed before its effect is durable.
func (s *stepHandler) Work(ctx context.Context, job *river.Job[jobs.OfOrder]) error {
	if job.Args.Template != s.template {
		return order.Errorf(order.Internal, "This program does not know the template %q.", job.Args.Template) // a newer one does
	}

	_, err := s.group.Do(ctx, job.Args.OrderID)

	return jobError(err)
}
