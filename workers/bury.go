package workers

import (
	"context"
	"slices"
	"time"

	"orders/db"
	"orders/jobs"
)

const (
	buryTimeout = 5 * time.Second // short of what makes a worker that does not beat look dead; the next look goes on
	returnBatch = 1_000           // jobs of one statement
)

// bury puts back what the dead were doing.
func (l *liveness) bury(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, buryTimeout)
	defer cancel()

	conn, self := l.lock.Conn(), l.self.ID

	dead, err := db.DeadWorkers(ctx, conn, self)
	if err != nil || len(dead) == 0 {
		return err
	}

	for full := true; full; {
		deaths, err := db.ReturnJobs(ctx, conn, self, dead, returnBatch, jobs.MaxDeaths-1)
		if err != nil {
			return err
		}

		if len(deaths) == 0 {
			break
		}

		if full, err = l.announce(ctx, conn, deaths); err != nil {
			return err
		}
	}

	ended, err := db.EndSessions(ctx, conn, self, dead)
	if ended > 0 {
		l.log.WarnContext(ctx, "sessions of dead workers are ended", "workers", dead, "sessions", ended)
	}

	return err
}

// announce tells who is dead, and whether there may be more jobs of theirs.
func (l *liveness) announce(ctx context.Context, conn db.Querier, deaths []db.Death) (full bool, err error) {
	var (
		workers  = make([]string, 0, len(deaths))
		queues   []string
		returned int64
	)

	for _, d := range deaths {
		l.log.WarnContext(ctx, "worker is dead; its jobs are put back", "worker", d.Worker, "jobs", d.Returned)

		workers = append(workers, d.Worker)
		queues = append(queues, d.Queues...)
		returned += d.Returned
	}

	slices.Sort(queues)

	return returned == returnBatch, db.AnnounceDeaths(ctx, conn, workers, slices.Compact(queues))
}
