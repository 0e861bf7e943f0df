// Package jobqueue reads River's queues and deletes their completed jobs.
package jobqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/liveness"
)

// HeadJobs is how many jobs count as a queue's head: enough that a few old jobs, which
// wait for a further attempt or which no worker knows, do not represent the queue.
const HeadJobs = 16

// A Backlog is how far the work of a queue is. Jobs are worked in the order of the time from
// which on they may run, so that time measures what waits without counting it.
type Backlog struct {
	Queue   string
	At      time.Time  // of the reading, by the database's clock
	Waiting int        // jobs that a worker may take, counted up to HeadJobs
	Oldest  time.Time  // from when on the oldest of them might have run; At when none waits
	Head    time.Time  // the same of the youngest of the oldest HeadJobs; At when none waits
	First   int64      // the lowest id of these jobs; 0 when none waits
	Last    int64      // the job that was enqueued last, in any queue
	Paused  *time.Time // since when an operator has paused the queue
	Workers int        `db:"-"` // living workers that work the queue
}

// An Obstacle is why the jobs of a queue do not run, however few they are.
type Obstacle string

// The obstacles. Both need an operator.
const (
	NoObstacle       Obstacle = ""
	ObstaclePaused   Obstacle = "the queue is paused"
	ObstacleNoWorker Obstacle = "no living worker works the queue"
)

// Obstacle is why no job of the queue runs.
func (b Backlog) Obstacle() Obstacle {
	switch {
	case b.Paused != nil:
		return ObstaclePaused
	case b.Workers == 0:
		return ObstacleNoWorker
	default:
		return NoObstacle
	}
}

// A Reader reads backlogs again and again. It bounds what that costs while an old snapshot keeps
// dead rows: see [Head]. It is for one goroutine.
type Reader struct {
	heads map[string]*Head
}

// Backlogs is [Backlogs]. After a slow reading it leaves out jobs that are older than the head was last.
func (r *Reader) Backlogs(ctx context.Context, q db.Querier, queues []string) ([]Backlog, error) {
	if r.heads == nil {
		r.heads = map[string]*Head{}
	}

	from := make([]time.Time, len(queues))

	for i, name := range queues {
		if r.heads[name] == nil {
			r.heads[name] = &Head{}
		}

		from[i] = r.heads[name].From()
	}

	began := time.Now()
	backlogs, err := backlogsFrom(ctx, q, queues, from)

	for i, name := range queues {
		r.heads[name].Took(from[i], time.Since(began))

		if err == nil {
			oldest := Oldest(backlogs[i].At)
			if backlogs[i].Oldest.Before(oldest) {
				oldest = backlogs[i].Oldest
			}

			r.heads[name].Read(from[i], oldest)
		}
	}

	return backlogs, err
}

// Backlogs reads the backlogs of the queues by a few index seeks, as cheap with a
// million jobs waiting as with none. The order is that in which River takes jobs.
func Backlogs(ctx context.Context, q db.Querier, queues []string) ([]Backlog, error) {
	return backlogsFrom(ctx, q, queues, make([]time.Time, len(queues)))
}

// backlogsFrom reads the jobs of each queue that might have run since a time.
func backlogsFrom(ctx context.Context, q db.Querier, queues []string, from []time.Time) ([]Backlog, error) {
	rows, err := q.Query(ctx, `
		SELECT queue.name AS queue, now() AS at, head.waiting, coalesce(head.oldest, now()) AS oldest,
			coalesce(head.youngest, now()) AS head, coalesce(head.first, 0) AS first, last.id AS last,
			(SELECT paused_at FROM river_queue WHERE name = queue.name) AS paused
		FROM unnest($1::text[], $3::timestamptz[]) WITH ORDINALITY AS queue (name, since, position)
		CROSS JOIN (
			SELECT coalesce(max(id), 0) AS id
			FROM river_job
		) AS last
		CROSS JOIN LATERAL (
			SELECT count(*) AS waiting, min(scheduled_at) AS oldest, max(scheduled_at) AS youngest, min(id) AS first
			FROM (
				SELECT id, scheduled_at
				FROM river_job
				WHERE state = 'available'
					AND river_job.queue = queue.name
					AND scheduled_at >= queue.since
					AND scheduled_at <= now() -- a retry that is due within seconds is available already
				ORDER BY priority, scheduled_at, id
				LIMIT $2
			) AS oldest
		) AS head
		ORDER BY queue.position`, queues, HeadJobs, from)
	if err != nil {
		return nil, fmt.Errorf("read backlogs: %w", err)
	}

	backlogs, err := pgx.CollectRows(rows, pgx.RowToStructByName[Backlog])
	if err != nil {
		return nil, fmt.Errorf("read backlogs: %w", err)
	}

	workers, err := liveness.WorkersOfQueues(ctx, q)
	if err != nil {
		return nil, err
	}

	for i := range backlogs {
		backlogs[i].Workers = workers[backlogs[i].Queue]
	}

	return backlogs, nil
}

// An Arrival is work that was enqueued.
type Arrival struct {
	At     time.Time
	Orders float64 // whose work it is
}

// Arrivals samples the jobs with ids above after, up to last, and returns for how many orders they
// are: at most limit arrivals. If the jobs are as few, it reads all of them. If they are more, each
// arrival is a job that stands for those that follow it. Jobs that orders share differ in weight,
// and to read all jobs would cost more with a long backlog.
//
// A job that leaves another one keeps the other's place in the queue. It is no new work.
func Arrivals(ctx context.Context, q db.Querier, after, last int64, limit int) ([]Arrival, error) {
	rows, err := q.Query(ctx, `
		SELECT job.created_at, job.orders * least($3, $2 - sample.id + 1)::float8
		FROM generate_series($1 + 1, $2, $3) AS sample (id)
		CROSS JOIN LATERAL (
			SELECT created_at, CASE WHEN scheduled_at < created_at THEN 0 ELSE orders_of_job(kind, metadata, args) END AS orders
			FROM river_job
			WHERE id BETWEEN sample.id AND least(sample.id + $3 - 1, $2)
			ORDER BY id
			LIMIT 1
		) AS job
		ORDER BY sample.id`, after, last, max(1, (last-after+int64(limit)-1)/int64(limit)))
	if err != nil {
		return nil, fmt.Errorf("sample jobs: %w", err)
	}

	arrivals, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Arrival])
	if err != nil {
		return nil, fmt.Errorf("sample jobs: %w", err)
	}

	return arrivals, nil
}
