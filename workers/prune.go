package workers

import (
	"context"

	"github.com/riverqueue/river"

	"orders/jobs"
	"orders/workers/retention"
)

// prune is the handler of what deletes old rows.
type prune struct {
	policy[jobs.Prune]

	pruner retention.Pruner
}

// Work deletes what is past its retention.
func (p *prune) Work(ctx context.Context, _ *river.Job[jobs.Prune]) error {
	return jobError(p.pruner.Prune(ctx))
}
