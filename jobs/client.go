package jobs

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// notifyEvery bounds how often a process notifies the workers of a queue: a job that is
// inserted within that time of another waits for the next poll. It is short, because group
// commit makes few transactions of many orders.
const notifyEvery = 10 * time.Millisecond

// NewClient makes a client that enqueues jobs and does not run any.
func NewClient(pool *pgxpool.Pool, log *slog.Logger, s Settings) (*river.Client[pgx.Tx], error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown: notifyEvery,
		Logger:        log,
		MaxAttempts:   s.Attempts,
	})
	if err != nil {
		return nil, fmt.Errorf("make queue client: %w", err)
	}

	return client, nil
}
