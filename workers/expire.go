package workers

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"orders/db/groupcommit"
	"orders/jobs"
)

// expire is the handler of a held order's deadline.
type expire struct {
	policy[jobs.OfOrder]

	group *groupcommit.Group[uuid.UUID, time.Duration]
}

// Work ends the order if its deadline has passed and it is still not paid. If the
// deadline is still to come by the database's clock, Work snoozes the job until then.
func (e *expire) Work(ctx context.Context, job *river.Job[jobs.OfOrder]) error {
	early, err := e.group.Do(ctx, job.Args.OrderID)
	if err != nil {
		return jobError(err)
	}

	if early > 0 {
		const least = 100 * time.Millisecond // keeps the job from spinning while clocks differ a little

		return river.JobSnooze(max(early, least))
	}

	return nil
}
