package workers

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"orders/db/clock"
)

// clocked is a River driver for the services of the leader that ask this machine for the
// time, past the clock that River's client was given: the rescuer and the two cleaners. A
// leader whose clock is two minutes ahead would rescue every job that runs.
//
// River does not promise to keep the methods of drivers. If the signature of one changes,
// the driver does not compile.
type clocked struct {
	riverdriver.Driver[pgx.Tx]

	clock *clock.Clock
}

// GetExecutor makes the executor that River's services use to reach Postgres.
func (d clocked) GetExecutor() riverdriver.Executor {
	return clockedExecutor{Executor: d.Driver.GetExecutor(), clock: d.clock}
}

type clockedExecutor struct {
	riverdriver.Executor

	clock *clock.Clock
}

// JobGetStuck finds jobs that have run too long by the database's clock. The rescuer
// compares the times of their attempts with this machine's clock, so they are returned in
// that.
func (e clockedExecutor) JobGetStuck(ctx context.Context, params *riverdriver.JobGetStuckParams) ([]*rivertype.JobRow, error) {
	skew, p := e.clock.Skew(), *params
	p.StuckHorizon = p.StuckHorizon.Add(-skew)

	stuck, err := e.Executor.JobGetStuck(ctx, &p)

	for _, job := range stuck {
		shift(&job.AttemptedAt, skew)
	}

	return stuck, err //nolint:wrapcheck // River's own
}

// JobRescueMany ends the attempts of stuck jobs. When they are due again is computed by
// NextRetry, in the database's time.
func (e clockedExecutor) JobRescueMany(ctx context.Context, params *riverdriver.JobRescueManyParams) (*struct{}, error) {
	skew, p := e.clock.Skew(), *params
	p.StuckHorizon = p.StuckHorizon.Add(-skew)
	p.FinalizedAt = make([]*time.Time, len(params.FinalizedAt))

	for i, at := range params.FinalizedAt {
		p.FinalizedAt[i] = at
		shift(&p.FinalizedAt[i], -skew)
	}

	return e.Executor.JobRescueMany(ctx, &p) //nolint:wrapcheck // River's own
}

// JobDeleteBefore deletes jobs that ended long ago.
func (e clockedExecutor) JobDeleteBefore(ctx context.Context, params *riverdriver.JobDeleteBeforeParams) (int, error) {
	skew, p := e.clock.Skew(), *params
	p.CancelledFinalizedAtHorizon = p.CancelledFinalizedAtHorizon.Add(-skew)
	p.CompletedFinalizedAtHorizon = p.CompletedFinalizedAtHorizon.Add(-skew)
	p.DiscardedFinalizedAtHorizon = p.DiscardedFinalizedAtHorizon.Add(-skew)

	return e.Executor.JobDeleteBefore(ctx, &p) //nolint:wrapcheck // River's own
}

// QueueDeleteExpired deletes the rows of queues that no worker has worked for a day.
func (e clockedExecutor) QueueDeleteExpired(ctx context.Context, params *riverdriver.QueueDeleteExpiredParams) ([]string, error) {
	p := *params
	p.UpdatedAtHorizon = p.UpdatedAtHorizon.Add(-e.clock.Skew())

	return e.Executor.QueueDeleteExpired(ctx, &p) //nolint:wrapcheck // River's own
}

// shift replaces a time by another one. What it pointed to stays.
func shift(at **time.Time, by time.Duration) {
	if *at != nil {
		shifted := (*at).Add(by)
		*at = &shifted
	}
}
