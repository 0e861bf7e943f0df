package jobqueue

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/jobs"
)

// lookEvery is how often a process looks for queues that are not worked.
const lookEvery = 5 * time.Second

// Watch logs which of the declared queues are paused, or have jobs and no worker: at once, and
// when that begins or ends. It runs until ctx ends.
//
// River's events tell of pauses, too, but a subscription costs an event for each job.
func Watch(ctx context.Context, log *slog.Logger, pool *pgxpool.Pool) {
	known, reader := obstacles{}, Reader{}

	for {
		reading, cancel := context.WithTimeout(ctx, lookEvery)

		// If the database is away, other parts of the program say so.
		if backlogs, err := reader.Backlogs(reading, pool, slices.Sorted(maps.Keys(jobs.Concurrency()))); err == nil {
			known.log(ctx, log, backlogs)
		}

		cancel()

		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
	}
}

// obstacles are why jobs of queues do not run, as it was logged.
type obstacles map[string]Obstacle

// log logs what has changed. A queue without jobs needs no worker.
func (o obstacles) log(ctx context.Context, log *slog.Logger, backlogs []Backlog) {
	for _, b := range backlogs {
		is, since := b.Obstacle(), b.Oldest
		if is == ObstaclePaused {
			since = *b.Paused
		}

		switch {
		case is == o[b.Queue]:
		case is == NoObstacle:
			delete(o, b.Queue)
			log.InfoContext(ctx, "the jobs of the queue run again", "queue", b.Queue)
		case is == ObstaclePaused || b.Waiting > 0:
			o[b.Queue] = is
			log.WarnContext(ctx, "the jobs of the queue do not run", "queue", b.Queue, "reason", is, "since", since.UTC())
		}
	}
}
