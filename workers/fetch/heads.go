// Package fetch bounds what a fetch of jobs costs while an old snapshot keeps dead rows.
package fetch

import (
	"context"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"

	"orders/db"
	"orders/db/jobqueue"
)

// Heads bounds what the fetches of each queue cost: see [jobqueue.Head].
type Heads struct {
	pool db.Querier

	mu      sync.Mutex
	byQueue map[string]*jobqueue.Head
}

// NewHeads makes the heads of all queues, which claims read from pool.
func NewHeads(pool db.Querier) *Heads {
	return &Heads{pool: pool, byQueue: map[string]*jobqueue.Head{}}
}

// Of calls do with the queue's head.
func (h *Heads) Of(queue string, do func(*jobqueue.Head)) {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.byQueue[queue] == nil {
		h.byQueue[queue] = &jobqueue.Head{}
	}

	do(h.byQueue[queue])
}

// Fetch fetches jobs by River's statement. If that is slow, it claims them by ours until the next
// complete fetch is due. now is the database's time.
func (h *Heads) Fetch(
	ctx context.Context, e riverdriver.Executor, params *riverdriver.JobGetAvailableParams, now time.Time,
) (fetched *riverdriver.JobGetAvailableResult, err error) {
	var from time.Time

	h.Of(params.Queue, func(head *jobqueue.Head) { from = head.From() })

	began := time.Now()

	if from.IsZero() {
		fetched, err = e.JobGetAvailable(ctx, params)
	} else {
		fetched, err = h.claim(ctx, e, params, from)
	}

	h.Of(params.Queue, func(head *jobqueue.Head) {
		head.Took(from, time.Since(began))

		if err == nil {
			head.Read(from, oldest(fetched, params.MaxToLock, now))
		}
	})

	return fetched, err //nolint:wrapcheck // River's own
}

func (h *Heads) claim(
	ctx context.Context, e riverdriver.Executor, params *riverdriver.JobGetAvailableParams, from time.Time,
) (*riverdriver.JobGetAvailableResult, error) {
	ids, err := jobqueue.ClaimJobs(ctx, h.pool, jobqueue.Claim{
		Queue: params.Queue, Kinds: params.Kind, From: from, Now: params.Now, Limit: params.MaxToLock,
		Client: params.ClientID, MaxClients: params.MaxAttemptedBy,
	})
	if err != nil || len(ids) == 0 {
		return &riverdriver.JobGetAvailableResult{}, err
	}

	rows, err := e.JobGetByIDMany(ctx, &riverdriver.JobGetByIDManyParams{ID: ids, Schema: params.Schema})

	return &riverdriver.JobGetAvailableResult{Jobs: rows}, err //nolint:wrapcheck // River's own
}

// oldest is the time of the oldest job that may still wait after a fetch.
func oldest(fetched *riverdriver.JobGetAvailableResult, limit int, now time.Time) time.Time {
	at := jobqueue.Oldest(now)
	if len(fetched.Jobs) < limit {
		return at
	}

	for _, job := range fetched.Jobs {
		if job.ScheduledAt.Before(at) {
			at = job.ScheduledAt
		}
	}

	return at
}
