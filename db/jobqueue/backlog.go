// Package jobqueue reads River's queues and deletes their completed jobs.
package jobqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
)

// backlogHead is how many jobs count as a queue's head: enough that a few old jobs
// that wait for a further attempt do not represent the queue.
const backlogHead = 16

// A Backlog is how far the work of a queue is. Jobs are worked nearly in the order of
// their ids, so ids measure what waits without counting it.
type Backlog struct {
	Queue  string
	At     time.Time     // of the reading, by the database's clock
	Head   int64         // the job that is next; Last+1 when none waits
	Last   int64         // the job that was enqueued last, in any queue
	Waited time.Duration // how long the oldest job has been waiting, 0 when none is
}

// Backlogs reads the backlogs of the queues by a few index seeks, as cheap with a
// million jobs waiting as with none. The order is that in which River takes jobs.
func Backlogs(ctx context.Context, q db.Querier, queues []string) ([]Backlog, error) {
	rows, err := q.Query(ctx, `
		SELECT queue.name AS queue, now() AS at, coalesce(head.id, last.id + 1) AS head, last.id AS last,
			coalesce(now() - head.since, '0') AS waited
		FROM unnest($1::text[]) AS queue (name)
		CROSS JOIN (
			SELECT coalesce(max(id), 0) AS id
			FROM river_job
		) AS last
		CROSS JOIN LATERAL (
			SELECT max(id) AS id, min(scheduled_at) AS since
			FROM (
				SELECT id, scheduled_at
				FROM river_job
				WHERE state = 'available'
					AND river_job.queue = queue.name
				ORDER BY priority, scheduled_at, id
				LIMIT $2
			) AS oldest
		) AS head`, queues, backlogHead)
	if err != nil {
		return nil, fmt.Errorf("read backlogs: %w", err)
	}

	backlogs, err := pgx.CollectRows(rows, pgx.RowToStructByName[Backlog])
	if err != nil {
		return nil, fmt.Errorf("read backlogs: %w", err)
	}

	return backlogs, nil
}
