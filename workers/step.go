package workers

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// policy makes a worker keep its kind's row of the job table.
type policy[A river.JobArgs] struct {
	river.WorkerDefaults[A]
}

// Timeout bounds one run.
func (policy[A]) Timeout(job *river.Job[A]) time.Duration {
	return jobs.PolicyOf(job.Kind).Timeout
}

// NextRetry is when a job whose run has just failed goes on.
func (policy[A]) NextRetry(job *river.Job[A]) time.Time {
	return time.Now().Add(jobs.PolicyOf(job.Kind).RetryAfter(len(job.Errors) + 1))
}

// step is the worker of a kind whose work is an item of a group commit.
type step[A river.JobArgs, In any] struct {
	policy[A]

	group *db.GroupCommit[In, flow.None]
	item  func(A) In
}

// Work has the job's item done and waits for the commit it is part of: a job is
// never completed before its effect is durable.
func (s *step[A, In]) Work(ctx context.Context, job *river.Job[A]) error {
	_, err := s.group.Do(ctx, s.item(job.Args))

	return outcome(err)
}

func notice(a jobs.Notification) db.Notice {
	return db.Notice{OrderID: a.OrderID, Template: order.Template(a.Template)}
}

// outcome is the table of what becomes of a job, by its error's code. A business
// "no" is no error: flow completes it. What is not listed is tried again.
func outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case order.CodeOf(err) == order.NotFound:
		return river.JobCancel(err) // no try will find it
	default:
		return err
	}
}
