package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
)

// notifyEvery bounds how often a process notifies the workers of a queue: a job that is
// inserted within that time of another waits for the next poll. It is short, because group
// commit makes few transactions of many orders.
const notifyEvery = 10 * time.Millisecond

// NewClient makes a client that enqueues jobs and does not run any. more is middleware for enqueuing.
func NewClient(pool *pgxpool.Pool, log *slog.Logger, s Settings, more ...rivertype.Middleware) (
	*river.Client[pgx.Tx], error,
) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown: notifyEvery,
		Logger:        log,
		MaxAttempts:   s.Attempts,
		Middleware:    append([]rivertype.Middleware{&DatabaseTime{}}, more...),
	})
	if err != nil {
		return nil, fmt.Errorf("make queue client: %w", err)
	}

	return client, nil
}

// DatabaseTime makes a new job due by the database's clock, which decides when jobs are
// fetched. River's driver would write this machine's time, and a job from a machine whose
// clock is ahead would wait. Every client that enqueues jobs has this middleware.
//
// It does not reach InsertManyFast, which copies the rows: the linter forbids that.
type DatabaseTime struct {
	river.MiddlewareDefaults
}

// InsertMany leaves the times that nobody has chosen to the database.
func (*DatabaseTime) InsertMany(
	ctx context.Context, many []*rivertype.JobInsertParams, insert func(context.Context) ([]*rivertype.JobInsertResult, error),
) ([]*rivertype.JobInsertResult, error) {
	for _, job := range many {
		now := &time.Time{} // River's statement writes now() for the zero time

		if job.CreatedAt == nil {
			job.CreatedAt = now
		}

		if job.ScheduledAt == nil {
			job.ScheduledAt = now
		}
	}

	return insert(ctx)
}
