package workers

import (
	"context"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"orders/jobs"
)

// completion keeps River from completing the jobs of steps. The transaction of a step's
// effects completes its jobs, so nothing is left to do for River, and nothing may be done:
// after a failover to a server that lags behind, the effects are gone and the job runs
// there. To complete it would lose its work.
type completion struct {
	river.MiddlewareDefaults
}

// Work runs the job. If a step's job succeeds, it tells River that there is no outcome to write.
func (completion) Work(ctx context.Context, job *rivertype.JobRow, next func(context.Context) error) error {
	err := next(ctx)

	if _, isStep := jobs.StepOf(job.Kind); isStep && err == nil {
		return noOutcomeError{}
	}

	return err
}

// noOutcomeError is the outcome of no job at all. River asks an error that has these
// methods for the jobs whose outcomes to write; its workers of many jobs use that. River
// does not promise to keep it. If it no longer asks, it takes this for a failed attempt,
// which changes no job that is completed, and makes a job run again that is not.
type noOutcomeError struct{}

func (noOutcomeError) Error() string {
	return "the job was completed by the transaction of its effects"
}
func (noOutcomeError) Jobs() []*rivertype.JobRow   { return nil }
func (noOutcomeError) ErrorsByID() map[int64]error { return nil }
