package workers

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"orders/db/clock"
	"orders/workers/fetch"
)

// attentive is a River driver that notices when a statement fails after which a job may be
// running without a handler: see [hands].
//
// It also corrects the clock for the services of the leader that ask this machine for the
// time, past the clock that River's client was given: the rescuer and the two cleaners. A
// leader whose clock is two minutes ahead would rescue every job that runs.
//
// It bounds what a fetch costs while an old snapshot keeps dead rows: see [fetch.Heads].
//
// River does not promise to keep the methods of drivers. If the signature of one changes,
// the driver does not compile.
type attentive struct {
	riverdriver.Driver[pgx.Tx]

	clock    *clock.Clock
	hands    *hands
	heads    *fetch.Heads
	sessions *pgxpool.Pool // in which it listens
}

// GetListener makes the listener of River's notifier, in a session that lasts.
func (d attentive) GetListener(params *riverdriver.GetListenenerParams) riverdriver.Listener {
	return riverpgxv5.New(d.sessions).GetListener(params)
}

// GetExecutor makes the executor that River's services use to reach Postgres.
func (d attentive) GetExecutor() riverdriver.Executor {
	return attentiveExecutor{Executor: d.Driver.GetExecutor(), clock: d.clock, hands: d.hands, heads: d.heads}
}

type attentiveExecutor struct {
	riverdriver.Executor

	clock *clock.Clock
	hands *hands
	heads *fetch.Heads
}

// JobGetAvailable fetches jobs.
func (e attentiveExecutor) JobGetAvailable(
	ctx context.Context, params *riverdriver.JobGetAvailableParams,
) (*riverdriver.JobGetAvailableResult, error) {
	fetched, err := e.heads.Fetch(ctx, e.Executor, params, e.clock.Now())
	e.hands.failed(err)

	return fetched, err //nolint:wrapcheck // River's own
}

// JobSetStateIfRunningMany ends attempts.
func (e attentiveExecutor) JobSetStateIfRunningMany(
	ctx context.Context, params *riverdriver.JobSetStateIfRunningManyParams,
) ([]*rivertype.JobRow, error) {
	ended, err := e.Executor.JobSetStateIfRunningMany(ctx, params)
	e.hands.failed(err)

	return ended, err //nolint:wrapcheck // River's own
}

// JobGetStuck finds jobs that have run too long by the database's clock. The rescuer
// compares the times of their attempts with this machine's clock, so they are returned in
// that.
func (e attentiveExecutor) JobGetStuck(ctx context.Context, params *riverdriver.JobGetStuckParams) ([]*rivertype.JobRow, error) {
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
func (e attentiveExecutor) JobRescueMany(ctx context.Context, params *riverdriver.JobRescueManyParams) (*struct{}, error) {
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
func (e attentiveExecutor) JobDeleteBefore(ctx context.Context, params *riverdriver.JobDeleteBeforeParams) (int, error) {
	skew, p := e.clock.Skew(), *params
	p.CancelledFinalizedAtHorizon = p.CancelledFinalizedAtHorizon.Add(-skew)
	p.CompletedFinalizedAtHorizon = p.CompletedFinalizedAtHorizon.Add(-skew)
	p.DiscardedFinalizedAtHorizon = p.DiscardedFinalizedAtHorizon.Add(-skew)

	return e.Executor.JobDeleteBefore(ctx, &p) //nolint:wrapcheck // River's own
}

// QueueDeleteExpired deletes the rows of queues that no worker has worked for a day.
func (e attentiveExecutor) QueueDeleteExpired(ctx context.Context, params *riverdriver.QueueDeleteExpiredParams) ([]string, error) {
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
