package workers

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"orders/db/jobqueue"
	"orders/db/liveness"
)

// doubtFor is how long after a failed statement jobs may turn up that nobody works: longer
// than a statement may take whose client is gone.
const doubtFor = 40 * time.Second

// hands knows which jobs this worker runs. If the answer to a fetch is lost, the database has
// more jobs running in the worker's name than those. They are given back with the next
// heartbeats. Only River's rescuer would find them, half a minute later and at an attempt.
//
// There is nothing to look for unless a statement of River's has failed, so a worker in
// order asks nothing.
type hands struct {
	river.MiddlewareDefaults

	mu      sync.Mutex
	held    map[jobqueue.Attempt]bool
	doubt   time.Time                 // until when jobs may turn up
	missing map[jobqueue.Attempt]bool // at the last heartbeat: running, but not held
}

func newHands() *hands { return &hands{held: map[jobqueue.Attempt]bool{}} }

// Work holds the job while it runs.
func (h *hands) Work(ctx context.Context, job *rivertype.JobRow, next func(context.Context) error) error {
	a := attemptOf(job)

	h.set(a, true)
	defer h.set(a, false)

	return next(ctx)
}

func (h *hands) set(a jobqueue.Attempt, held bool) {
	h.mu.Lock()
	defer h.mu.Unlock()

	if held {
		h.held[a] = true
	} else {
		delete(h.held, a)
	}
}

// failed notes that a statement that fetches jobs or ends attempts has failed. It may have
// been committed.
func (h *hands) failed(err error) {
	if err == nil {
		return
	}

	h.mu.Lock()
	defer h.mu.Unlock()

	h.doubt = time.Now().Add(doubtFor)
}

func (h *hands) doubts() bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	return time.Now().Before(h.doubt)
}

// lost finds those of the running attempts that are lost: they are not held, neither now nor
// at the last heartbeat. A job that was fetched just now is not held yet.
func (h *hands) lost(running []jobqueue.Attempt) (lost []jobqueue.Attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()

	before := h.missing
	h.missing = map[jobqueue.Attempt]bool{}

	for _, a := range running {
		if h.held[a] {
			continue
		}

		if h.missing[a] = true; before[a] {
			lost = append(lost, a)
		}
	}

	maps.DeleteFunc(h.missing, func(a jobqueue.Attempt, _ bool) bool { return before[a] })

	return lost
}

// giveBack makes lost jobs available again: at once, without using an attempt, and without
// counting a death, as this worker lives.
func (h *heartbeat) giveBack(ctx context.Context) error {
	if !h.hands.doubts() {
		return nil
	}

	ctx, cancel := context.WithTimeout(ctx, rescueTimeout)
	defer cancel()

	running, err := jobqueue.Running(ctx, h.lock.Conn(), h.self.ID, rescueBatch)
	if err != nil {
		return err
	}

	lost := h.hands.lost(running)
	if len(lost) == 0 {
		return nil
	}

	queues, err := jobqueue.GiveBack(ctx, h.lock.Conn(), h.self.ID, lost)
	if err != nil || len(queues) == 0 {
		return err
	}

	h.log.WarnContext(ctx, "the worker gave back jobs that it had fetched without learning of it", "worker", h.self.ID, "jobs", len(lost))

	return liveness.NotifyRescue(ctx, h.lock.Conn(), nil, queues, h.link.PollOnly)
}
