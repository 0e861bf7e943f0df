package workers

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
)

// expire is the worker of a held order's deadline.
type expire struct {
	policy[jobs.Expire]

	group *db.GroupCommit[uuid.UUID, *time.Time]
}

// Work ends the order if it is due and still not paid. If the deadline is yet to
// come, by the database's clock, it sleeps until then.
func (e *expire) Work(ctx context.Context, job *river.Job[jobs.Expire]) error {
	due, err := e.group.Do(ctx, job.Args.OrderID)
	if err != nil {
		return outcome(err)
	}

	if due != nil {
		const least = 100 * time.Millisecond // so that clocks that differ do not make it spin

		return river.JobSnooze(max(time.Until(*due), least))
	}

	return nil
}
