package db

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
)

// Facts reads what [order.Explain] answers from: best in a [Snapshot], so that it
// is of one moment. [order.NotFound] when there is no such order.
func Facts(ctx context.Context, tx pgx.Tx, id uuid.UUID) (order.Facts, error) {
	o, err := Order(ctx, tx, id)
	if err != nil {
		return order.Facts{}, err
	}

	f := order.Facts{Order: o, Work: map[order.StepName]order.Work{}}

	err = tx.QueryRow(ctx, `
		SELECT now(), EXISTS (SELECT FROM river_leader WHERE expires_at > now())`).Scan(&f.Now, &f.Leader)
	if err != nil {
		return f, fmt.Errorf("read leader: %w", err)
	}

	workers, err := Workers(ctx, tx)
	if err != nil {
		return f, err
	}

	if err := readWork(ctx, tx, &f, workers); err != nil {
		return f, err
	}

	return f, readLetters(ctx, tx, &f)
}

// readWork reads the job of each step that lives, and who and what stands before it.
// The queue is counted in the order in which it is worked, and not to its end.
func readWork(ctx context.Context, tx pgx.Tx, f *order.Facts, workers []Worker) error {
	rows, err := tx.Query(ctx, `
		WITH live AS MATERIALIZED (
			SELECT
				kind, id, queue, state, attempt, errors, priority, scheduled_at, attempted_at,
				attempted_by[array_upper(attempted_by, 1)] AS worker
			FROM live_jobs
			WHERE unique_key IN (job_key('inventory', $1), job_key('points', $1), job_key('notification', $1, 'created'))
		)
		SELECT
			j.kind,
			j.queue,
			j.state::text,
			j.attempt::int,
			coalesce(j.errors[array_upper(j.errors, 1)] ->> 'error', ''),
			j.scheduled_at,
			j.attempted_at,
			coalesce(j.worker, ''),
			(SELECT paused_at FROM river_queue WHERE name = j.queue),
			(
				SELECT count(*)
				FROM (
					SELECT
					FROM river_job AS a
					WHERE a.state = 'available'
						AND j.state = 'available'
						AND a.queue = j.queue
						AND (a.priority, a.scheduled_at, a.id) < (j.priority, j.scheduled_at, j.id)
					LIMIT $2
				) AS ahead
			)
		FROM live AS j`, f.Order.ID, order.MaxAhead+1)
	if err != nil {
		return fmt.Errorf("read work: %w", err)
	}

	var (
		step order.StepName
		job  order.Job
		work order.Work
	)

	_, err = pgx.ForEachRow(rows, []any{
		&step, &job.Queue, &job.State, &job.Attempts, &job.LastError, &job.ScheduledAt, &job.AttemptedAt, &job.Worker,
		&work.Paused, &work.Ahead,
	}, func() error {
		found := work
		found.Job = attend(job, workers)
		found.Workers = working(job.Queue, workers)
		f.Work[step] = found

		return nil
	})
	if err != nil {
		return fmt.Errorf("read work: %w", err)
	}

	return nil
}

// attend says of a job whether its worker still lives. One that is not in the
// list died more than an hour ago, or never was ours.
func attend(job order.Job, workers []Worker) *order.Job {
	job.WorkerGone = job.Worker != "" && !slices.ContainsFunc(workers, func(w Worker) bool { return w.ID == job.Worker && w.Alive })

	return &job
}

// working counts the workers of a queue that live.
func working(queue string, workers []Worker) (n int) {
	for _, w := range workers {
		if w.Alive && w.Queues[queue] > 0 {
			n++
		}
	}

	return n
}

// readLetters reads the newest open dead letter of each step. The job of one that
// was dismissed is as good as there, if no other lives: nobody wants it done again.
func readLetters(ctx context.Context, tx pgx.Tx, f *order.Facts) error {
	rows, err := tx.Query(ctx, `
		SELECT DISTINCT ON (kind) kind, job_id, dead_at, error, reason, redrives, attention_at IS NOT NULL, resolved_at IS NULL
		FROM dead_letters
		WHERE order_id = $1
			AND (resolved_at IS NULL OR resolution = 'dismissed')
			AND (kind IN ('inventory', 'points') OR kind = 'notification' AND args ->> 'template' = 'created')
		ORDER BY kind, resolved_at NULLS FIRST, job_id DESC`, f.Order.ID)
	if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}

	var (
		step   order.StepName
		letter order.Letter
		open   bool
	)

	_, err = pgx.ForEachRow(rows, []any{
		&step, &letter.JobID, &letter.DeadAt, &letter.Error, &letter.Reason, &letter.Redrives, &letter.Attention, &open,
	}, func() error {
		l, work := letter, f.Work[step]

		switch {
		case open:
			work.Letter = &l
		case work.Job == nil:
			work.Job = &order.Job{State: "discarded", LastError: l.Error}
		}

		f.Work[step] = work

		return nil
	})
	if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}

	return nil
}
