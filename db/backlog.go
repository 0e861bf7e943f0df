package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// backlogHead is how many jobs count as a queue's head: enough that a few old
// ones, come back for another run, do not stand for all of it.
const backlogHead = 16

// A Backlog is how far the work of a queue has got. Jobs are worked in the order
// of their ids, nearly, so ids measure what waits without counting it.
type Backlog struct {
	Queue  string
	At     time.Time     // of the reading, by the database's clock
	Head   int64         // the job whose turn it is; one past Last when none waits
	Last   int64         // the job that was enqueued last, whatever its queue
	Waited time.Duration // how long the oldest job has been waiting, 0 when none is
}

// Backlogs reads the backlogs of the queues by a few index seeks, as cheap with a
// million jobs waiting as with none. The order is that in which River takes jobs.
func Backlogs(ctx context.Context, q Querier, queues []string) ([]Backlog, error) {
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
