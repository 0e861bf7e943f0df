package progress

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/horizon"
	"orders/db/liveness"
	"orders/db/payment"
	"orders/jobs"
	"orders/order"
)

// MaxAhead bounds how many orders are counted: a larger count means "more than MaxAhead".
const MaxAhead = 10_000

// Facts are what is known of an order at one moment, for package explain.
type Facts struct {
	Now    time.Time
	Order  order.Order
	Leader bool                    // a worker is the elected leader, which schedules due jobs and enqueues sweeps
	Work   map[order.StepName]Step // of the order's jobs: those of its steps, and Expire's
	Locks  []Lock
	Old    []horizon.Holder // of old snapshots, which slow the queues down
	Sweeps map[string]Sweep
	Upkeep Queue // the queue of the sweeps
	Clocks []Clock

	Payment *order.Payment // of the order; nil for none
}

// Expire is the kind of the job that ends a held order, as a key of [Facts.Work].
const Expire order.StepName = jobs.KindExpire

// A Clock is that of a living worker's machine.
type Clock struct {
	Host string
	Skew time.Duration // how far it is ahead of the database's
}

// A Queue is what is known of a queue.
type Queue struct {
	Paused  *time.Time
	Workers int // living workers that fetch from it
}

// A Step is what is known of a step's job and of the workers of its queue.
type Step struct {
	Job     *Job    // the newest; nil when there is none
	Letter  *Letter // the newest that is open; nil for none
	Before  *Letter // of the job whose work Job does again; nil for none
	Paused  *time.Time
	Workers int // living workers that fetch from the queue
	Ahead   int // orders whose jobs are before it in the queue; a count above MaxAhead may be too low
}

// A Job is a step's job as the queue has it.
type Job struct {
	Queue       string
	State       string     // River's
	Failures    int        // attempts that have failed
	Code        order.Code // of the newest error; empty for none
	ScheduledAt time.Time
	AttemptedAt *time.Time
	Worker      string // the worker that runs it, or ran it last
	WorkerGone  bool   // Worker is dead
}

// A Letter is a step's dead letter.
type Letter struct {
	JobID     int64
	DeadAt    time.Time
	Code      order.Code // of the newest error; empty for none
	Reason    string     // the class of that error
	Redrives  int        // so far
	Attention bool       // an operator must decide
	Sweeps    int        // that have failed to do what is due for the letter
}

// ReadFacts reads the facts of an order; [order.NotFound] when there is no such order.
// It reads several tables: call it in a [db.Snapshot], so that they are consistent.
func ReadFacts(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Facts, error) {
	o, err := db.Order(ctx, tx, id)
	if err != nil {
		return Facts{}, err
	}

	f := Facts{Order: o, Work: map[order.StepName]Step{}}

	workers, err := liveness.List(ctx, tx)
	if err != nil {
		return f, err
	}

	f.Upkeep.Workers = working(jobs.QueueMaintenance, workers)
	f.Clocks = clocks(workers)

	err = tx.QueryRow(ctx, `
		SELECT
			now(),
			EXISTS (SELECT FROM river_leader WHERE expires_at > now()),
			(SELECT paused_at FROM river_queue WHERE name = $1)`, jobs.QueueMaintenance).Scan(&f.Now, &f.Leader, &f.Upkeep.Paused)
	if err != nil {
		return f, fmt.Errorf("read leader: %w", err)
	}

	payments, err := payment.Of(ctx, tx, []uuid.UUID{id})
	if err != nil {
		return f, err
	}

	if payment, paid := payments[id]; paid {
		f.Payment = &payment
	}

	if f.Sweeps, err = Sweeps(ctx, tx); err != nil {
		return f, err
	}

	if f.Locks, err = readLocks(ctx, tx, id); err != nil {
		return f, err
	}

	if f.Old, err = horizon.Old(ctx, tx); err != nil {
		return f, err
	}

	if err := readWork(ctx, tx, &f, workers); err != nil {
		return f, err
	}

	return f, readLetters(ctx, tx, &f)
}

// liveWork reads the live job of each step, with the queue's state and the orders before it.
const liveWork = `
	WITH live AS MATERIALIZED (
		SELECT o.kind, j.id, j.queue, j.state, j.failures, j.code, j.priority, j.scheduled_at, j.attempted_at, j.worker
		FROM order_jobs AS o
		CROSS JOIN LATERAL (
			SELECT
				id, queue, state, cardinality(errors) AS failures, code, priority, scheduled_at, attempted_at,
				attempted_by[array_upper(attempted_by, 1)] AS worker
			FROM live_jobs
			WHERE unique_key = ANY(o.unique_keys)
			OFFSET 0
		) AS j
		WHERE o.order_id = $1
	)
	SELECT
		j.kind,
		j.queue,
		j.state::text,
		coalesce(j.failures, 0),
		j.code,
		j.scheduled_at,
		j.attempted_at,
		coalesce(j.worker, ''),
		(SELECT paused_at FROM river_queue WHERE name = j.queue),
		(
			SELECT coalesce(sum(orders), 0)
			FROM (
				SELECT orders_of_job(a.kind, a.metadata, a.args) AS orders
				FROM river_job AS a
				WHERE a.state = 'available'
					AND j.state = 'available'
					AND a.queue = j.queue
					AND (a.priority, a.scheduled_at, a.id) < (j.priority, j.scheduled_at, j.id)
				LIMIT $2
			) AS ahead
		)
	FROM live AS j
	ORDER BY j.id`

// readWork reads the live job of each step, the workers of its queue and the orders before
// it. The queue is counted in the order in which it is worked, and not to its end.
func readWork(ctx context.Context, tx pgx.Tx, f *Facts, workers []liveness.Worker) error {
	rows, err := tx.Query(ctx, liveWork, f.Order.ID, MaxAhead+1)
	if err != nil {
		return fmt.Errorf("read work: %w", err)
	}

	var (
		step order.StepName
		job  Job
		work Step
	)

	_, err = pgx.ForEachRow(rows, []any{
		&step, &job.Queue, &job.State, &job.Failures, &job.Code, &job.ScheduledAt, &job.AttemptedAt, &job.Worker,
		&work.Paused, &work.Ahead,
	}, func() error {
		found, live := work, job
		live.WorkerGone = job.Worker != "" && !alive(job.Worker, workers)
		found.Job = &live
		found.Workers = working(job.Queue, workers)
		f.Work[step] = found

		return nil
	})
	if err != nil {
		return fmt.Errorf("read work: %w", err)
	}

	return nil
}

// alive tells whether a worker lives. A worker that is not in the list died more than an
// hour ago, or is not of this program.
func alive(id string, workers []liveness.Worker) bool {
	return slices.ContainsFunc(workers, func(w liveness.Worker) bool { return w.ID == id && w.Alive })
}

// clocks are those of the machines that living workers run on.
func clocks(workers []liveness.Worker) (list []Clock) {
	for _, w := range workers {
		if w.Alive && !slices.ContainsFunc(list, func(c Clock) bool { return c.Host == w.Host }) {
			list = append(list, Clock{Host: w.Host, Skew: w.ClockSkew})
		}
	}

	return list
}

// working counts the living workers of a queue.
func working(queue string, workers []liveness.Worker) (n int) {
	for _, w := range workers {
		if w.Alive && w.Queues[queue] > 0 {
			n++
		}
	}

	return n
}

// readLetters reads the newest open dead letter of each step. If there is none and no
// live job, but an operator dismissed a letter, its job counts as there: the work is
// not to be done again.
func readLetters(ctx context.Context, tx pgx.Tx, f *Facts) error {
	rows, err := tx.Query(ctx, `
		SELECT DISTINCT ON (l.kind) l.kind, l.job_id, l.dead_at, l.code, l.reason, l.redrives,
			l.attention_at IS NOT NULL, l.sweep_failures, coalesce(l.resolution, '')
		FROM dead_letters AS l
		JOIN order_jobs AS o ON o.order_id = l.order_id AND o.kind = l.kind AND o.template = coalesce(l.args ->> 'template', '')
		WHERE l.order_id = $1
			AND (l.resolved_at IS NULL OR l.resolution IN ('dismissed', 'redriven'))
		ORDER BY l.kind, l.resolved_at IS NOT NULL, l.job_id DESC`, f.Order.ID)
	if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}

	var (
		step       order.StepName
		letter     Letter
		resolution string
	)

	_, err = pgx.ForEachRow(rows, []any{
		&step, &letter.JobID, &letter.DeadAt, &letter.Code, &letter.Reason, &letter.Redrives, &letter.Attention, &letter.Sweeps,
		&resolution,
	}, func() error {
		l, work := letter, f.Work[step]

		switch {
		case resolution == "":
			work.Letter = &l
		case resolution == "redriven":
			work.Before = &l
		case work.Job == nil:
			work.Job = &Job{State: "discarded", Code: l.Code}
		}

		f.Work[step] = work

		return nil
	})
	if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}

	return nil
}
