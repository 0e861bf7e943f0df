package workers

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/jobs"
	"orders/workers/webhook"
)

// alerter posts to the webhook which conditions have begun and ended.
type alerter struct {
	policy[jobs.Alert]

	pool    *pgxpool.Pool
	log     *slog.Logger
	webhook *webhook.Client // nil if no address is set
}

func (a *alerter) Work(ctx context.Context, _ *river.Job[jobs.Alert]) error {
	if a.webhook == nil {
		return nil // the leader has the setting, and this worker has not
	}

	if err := a.webhook.Report(ctx, a.pool, a.log); err != nil {
		return jobError(err)
	}

	return nil
}
