package workers

import (
	"context"

	"github.com/riverqueue/river"

	"orders/jobs"
	"orders/workers/deliver"
)

// delivering is the handler of a webhook's job.
type delivering struct {
	policy[jobs.Deliver]

	followers *deliver.Followers
}

// Work sends events for a while, and snoozes the job.
func (d *delivering) Work(ctx context.Context, job *river.Job[jobs.Deliver]) error {
	return jobError(d.followers.Follow(ctx, job.Args.EndpointID))
}
