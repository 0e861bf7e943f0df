package jobqueue

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/jobs"
)

// lookEvery is how often a process looks for queues that are not worked.
const lookEvery = 5 * time.Second

// A Watch looks which of the declared queues are paused, or have jobs and no worker.
//
// River's events tell of pauses, too, but a subscription costs an event for each job.
type Watch struct {
	log  *slog.Logger
	pool *pgxpool.Pool

	mu    sync.Mutex
	known obstacles
}

// NewWatch makes a watch that knows nothing until it runs.
func NewWatch(log *slog.Logger, pool *pgxpool.Pool) *Watch {
	return &Watch{log: log, pool: pool, known: obstacles{}}
}

// Warnings says in sentences which queues are not worked.
func (w *Watch) Warnings() (sentences []string) {
	w.mu.Lock()
	defer w.mu.Unlock()

	for _, queue := range slices.Sorted(maps.Keys(w.known)) {
		sentences = append(sentences, fmt.Sprintf("The jobs of the %s queue do not run: %s.", queue, w.known[queue]))
	}

	return sentences
}

// Run logs what it finds: at once, and when that begins or ends. It runs until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	reader := Reader{}

	for {
		reading, cancel := context.WithTimeout(ctx, lookEvery)

		// If the database is away, other parts of the program say so.
		if backlogs, err := reader.Backlogs(reading, w.pool, slices.Sorted(maps.Keys(jobs.Concurrency()))); err == nil {
			w.mu.Lock()
			w.known.log(ctx, w.log, backlogs)
			w.mu.Unlock()
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
