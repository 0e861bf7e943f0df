package gauge

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/jobqueue"
	"orders/jobs"
)

// samples are the jobs that an estimate reads. 1,024 make an error of a tenth rare.
const samples = 1_024

// A Queue is how much work a queue has. Jobs that orders share differ in weight, so each
// number is there in jobs and in orders.
type Queue struct {
	Name    string
	Paused  *time.Time // since when an operator has paused it
	Workers int        // living ones that work it
	Oldest  time.Time  // from when on the oldest job that does not run might have run; Reading.At when none waits

	Waiting   Depth // that a worker may take
	Running   Depth
	Retrying  Depth // that have failed and wait for their next attempt
	Scheduled Depth // that are to run later, such as the deadlines of held orders
}

// Age is how long the oldest job has waited at a moment.
func (q *Queue) Age(at time.Time) time.Duration { return max(0, at.Sub(q.Oldest)) }

// A Depth is a number of jobs, and of the orders that they are for.
type Depth struct {
	Jobs      int64
	Orders    int64
	Estimated bool // from a sample: there are more than Most
}

// depth is the depth of a state of a queue, as it is read.
type depth struct {
	Queue  string
	State  string
	Jobs   int64
	Orders int64
	First  int64      // the lowest id
	Due    *time.Time // from when on the oldest might have run; nil if that is in the future
}

// Queues reads the queues that this program knows, by name, and the time of the reading.
func Queues(ctx context.Context, q db.Querier) ([]Queue, time.Time, error) {
	names := slices.Sorted(maps.Keys(jobs.Concurrency()))

	backlogs, err := jobqueue.Backlogs(ctx, q, names)
	if err != nil {
		return nil, time.Time{}, err
	}

	at := backlogs[0].At
	queues := make([]Queue, len(backlogs))
	index := make(map[string]*Queue, len(backlogs))

	for i, b := range backlogs {
		queues[i] = Queue{Name: b.Queue, Paused: b.Paused, Workers: b.Workers, Oldest: b.Oldest}
		index[b.Queue] = &queues[i]
	}

	depths, err := depthsOf(ctx, q, names, "available", "running", "retryable", "scheduled")
	if err != nil {
		return nil, at, err
	}

	for _, d := range depths {
		if err := index[d.Queue].take(ctx, q, d, backlogs[0].Last); err != nil {
			return nil, at, err
		}
	}

	return queues, at, nil
}

// take notes the depth of a state, and estimates it if there are more jobs than are counted.
func (q *Queue) take(ctx context.Context, tx db.Querier, d depth, last int64) (err error) {
	is := Depth{Jobs: d.Jobs, Orders: d.Orders}

	if d.Jobs >= Most {
		estimated, err := estimate(ctx, tx, d, last)
		if err != nil {
			return err
		}

		is = Depth{Jobs: max(is.Jobs, estimated.Jobs), Orders: max(is.Orders, estimated.Orders), Estimated: true}
	}

	switch d.State {
	case "available":
		q.Waiting = is
	case "running":
		q.Running = is
	case "retryable":
		q.Retrying = is
	case "scheduled":
		q.Scheduled = is
	}

	// Retryable and scheduled jobs can be late, too: when no leader makes them available.
	if d.State != "running" && d.Due != nil && d.Due.Before(q.Oldest) {
		q.Oldest = *d.Due
	}

	return nil
}

// depthsOf counts the jobs of each state in each queue that has any, up to Most.
func depthsOf(ctx context.Context, q db.Querier, queues []string, states ...string) ([]depth, error) {
	rows, err := q.Query(ctx, `
		SELECT queue.name AS queue, state.name::text AS state, depth.jobs, depth.orders, depth.first, depth.due
		FROM unnest($1::text[]) AS queue (name)
		CROSS JOIN unnest($3::text[]::river_job_state[]) AS state (name)
		CROSS JOIN LATERAL (
			SELECT count(*) AS jobs, coalesce(sum(orders_of_job(kind, metadata, args)), 0) AS orders, coalesce(min(id), 0) AS first,
				min(scheduled_at) FILTER (WHERE scheduled_at <= now()) AS due
			FROM (
				SELECT id, kind, metadata, args, scheduled_at
				FROM river_job
				WHERE river_job.state = state.name
					AND river_job.queue = queue.name
				ORDER BY priority, scheduled_at, id
				LIMIT $2
			) AS counted
		) AS depth
		WHERE depth.jobs > 0`, queues, Most, states)
	if err != nil {
		return nil, fmt.Errorf("count jobs: %w", err)
	}

	depths, err := pgx.CollectRows(rows, pgx.RowToStructByName[depth])
	if err != nil {
		return nil, fmt.Errorf("count jobs: %w", err)
	}

	return depths, nil
}

// Retrying counts, in queues, the orders whose jobs have failed and wait for another attempt, up to [Most] jobs a queue. A queue
// without any is missing.
func Retrying(ctx context.Context, q db.Querier, queues []string) (map[string]int64, error) {
	depths, err := depthsOf(ctx, q, queues, "retryable")
	if err != nil {
		return nil, err
	}

	retrying := map[string]int64{}

	for _, d := range depths {
		if d.Orders > 0 {
			retrying[d.Queue] = d.Orders
		}
	}

	return retrying, nil
}

// estimate estimates a depth from a sample of the ids from the first job's on: ids grow with time,
// so the jobs that wait are among the newest.
func estimate(ctx context.Context, q db.Querier, d depth, last int64) (Depth, error) {
	step := max(1, (last-d.First+samples)/samples)

	var found Depth

	err := q.QueryRow(ctx, `
		SELECT count(*), coalesce(sum(orders_of_job(job.kind, job.metadata, job.args)), 0)
		FROM generate_series($3::bigint, $4::bigint, $5::bigint) AS sample (id)
		CROSS JOIN LATERAL (
			SELECT state, queue, kind, metadata, args
			FROM river_job
			WHERE river_job.id = sample.id
			OFFSET 0 -- a seek for each sample: a join might read the table
		) AS job
		WHERE job.state = $1::river_job_state
			AND job.queue = $2`,
		d.State, d.Queue, d.First+rand.Int64N(step), last, step).Scan(&found.Jobs, &found.Orders) //nolint:gosec // no secret
	if err != nil {
		return Depth{}, fmt.Errorf("estimate jobs: %w", err)
	}

	return Depth{Jobs: found.Jobs * step, Orders: found.Orders * step}, nil
}
