package workers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"orders/db/deadletter"
	"orders/db/groupcommit"
	"orders/db/tally"
	"orders/order"
	"orders/workers/deliver"
)

// An Observer is told what the workers of a process do, for metrics and traces. It must not block.
type Observer interface {
	// Batch observes the transactions of a group commit: see [groupcommit.Options].
	Batch(group string) func(ctx context.Context, callers []context.Context) (context.Context, func(groupcommit.Observation))

	// Counted is told of other transactions which orders came into which status.
	Counted(statuses tally.Counts)

	// StepDone is told how long ago orders were placed whose step is done now.
	StepDone(step order.StepName, after []time.Duration)

	// AttemptFailed is told of each failed attempt.
	AttemptFailed(kind string, class deadletter.Reason)

	// Rescued is told of the jobs of dead workers that this process has rescued.
	Rescued(jobs int64)

	deliver.Observer
}

func (o Options) observer() Observer { //nolint:ireturn // the given one
	if o.Observer == nil {
		return unobserved{}
	}

	return o.Observer
}

// unobserved is the observer if there is none.
type unobserved struct{ deliver.Unobserved }

func (unobserved) Batch(string) func(context.Context, []context.Context) (context.Context, func(groupcommit.Observation)) {
	return nil
}
func (unobserved) Counted(tally.Counts)                     {}
func (unobserved) StepDone(order.StepName, []time.Duration) {}
func (unobserved) AttemptFailed(string, deadletter.Reason)  {}
func (unobserved) Rescued(int64)                            {}

// placedAgo is how long ago orders were placed. Their ids have that time, to the millisecond.
func placedAgo(now time.Time, ids []uuid.UUID) []time.Duration {
	ago := make([]time.Duration, 0, len(ids))

	for _, id := range ids {
		const ids7 = 7
		if id.Version() == ids7 {
			ago = append(ago, max(0, now.Sub(time.Unix(id.Time().UnixTime()))))
		}
	}

	return ago
}
