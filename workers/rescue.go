package workers

import (
	"context"
	"slices"
	"time"

	"orders/db"
	"orders/db/liveness"
	"orders/jobs"
)

const (
	rescueTimeout = 5 * time.Second // less than makes this worker look dead, as it sends no heartbeat meanwhile
	rescueBatch   = 1_000           // jobs of one statement
)

// rescue makes the jobs of dead workers available again.
func (h *heartbeat) rescue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rescueTimeout)
	defer cancel()

	conn, self := h.lock.Conn(), h.self.ID

	dead, err := liveness.FindDead(ctx, conn, self)
	if err != nil || len(dead) == 0 {
		return err
	}

	for full := true; full; {
		found, err := liveness.RescueJobs(ctx, conn, self, dead, rescueBatch, jobs.MaxDeaths-1)
		if err != nil {
			return err
		}

		if len(found) == 0 {
			break
		}

		if full, err = h.notify(ctx, conn, found); err != nil {
			return err
		}
	}

	ended, err := liveness.EndSessions(ctx, conn, self, dead)
	if ended > 0 {
		h.log.WarnContext(ctx, "ended the sessions of dead workers", "workers", dead, "sessions", ended)
	}

	return err
}

// notify logs which workers are dead, and notifies the others that their jobs are
// available. full tells whether there may be more of these jobs.
func (h *heartbeat) notify(ctx context.Context, conn db.Querier, dead []liveness.DeadWorker) (full bool, err error) {
	var (
		workers = make([]string, 0, len(dead))
		queues  []string
		rescued int64
	)

	for _, d := range dead {
		h.log.WarnContext(ctx, "worker is dead; its jobs were rescued", "worker", d.ID, "jobs", d.Rescued)

		workers = append(workers, d.ID)
		queues = append(queues, d.Queues...)
		rescued += d.Rescued
	}

	h.rescued(rescued)

	slices.Sort(queues)

	return rescued == rescueBatch, liveness.NotifyRescue(ctx, conn, workers, slices.Compact(queues), h.link.PollOnly)
}
