package baseline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/cmd/bench/database"
	"orders/jobs"
)

// River's settings for the ceiling are those that took the least CPU time: in seconds for
// 1,000 orders on two cores, 500 workers took 0.36, 1,000 0.38, 2,000 0.40, 4,000 0.43.
// The cooldown made no difference, nor did a second client in the process.
const (
	ceilingCooldown    = 20 * time.Millisecond
	ceilingPoll        = 100 * time.Millisecond
	ceilingConcurrency = 500 // of a queue
)

// noop reads nothing of its args, which are those of a step.
type noop struct{}

// Kind names the job.
func (noop) Kind() string { return "noop" }

// Ceiling is the most that River gives: orders a second of jobs that do nothing,
// three an order, inserted before the clock starts. The queue is empty.
func Ceiling(ctx context.Context, pool *pgxpool.Pool, orders int) (float64, error) {
	kinds := river.NewWorkers()
	river.AddWorker(kinds, river.WorkFunc(func(context.Context, *river.Job[noop]) error { return nil }))

	client, err := newClient(pool, slog.New(slog.DiscardHandler), ceilingConcurrency, river.Config{
		FetchCooldown: ceilingCooldown, FetchPollInterval: ceilingPoll, Workers: kinds,
	})
	if err != nil {
		return 0, err
	}

	queues := jobs.StepQueues()

	_, err = pool.Exec(ctx, `
		INSERT INTO river_job (args, kind, max_attempts, queue)
		SELECT jsonb_build_object('order_id', gen_random_uuid()), 'noop', 1, queue
		FROM generate_series(1, $1::int)
		CROSS JOIN unnest($2::text[]) AS queue`, orders, queues)
	if err != nil {
		return 0, fmt.Errorf("insert no-ops: %w", err)
	}

	if err := database.Exec(ctx, pool, `VACUUM ANALYZE`, `CHECKPOINT`); err != nil {
		return 0, err
	}

	total := orders * len(queues)

	took, err := workNoops(ctx, client, total)
	if err != nil {
		return 0, fmt.Errorf("work no-ops: %w", err)
	}

	var completed int

	err = pool.QueryRow(ctx, `SELECT count(*) FROM river_job WHERE state = 'completed' AND attempt = 1`).Scan(&completed)
	if err == nil && completed != total {
		err = fmt.Errorf("%d jobs are completed, want %d", completed, total)
	}

	return float64(orders) / took.Seconds(), err
}

// workNoops runs the clock until River reports that the last job is completed in the table.
func workNoops(ctx context.Context, client *river.Client[pgx.Tx], jobs int) (took time.Duration, err error) {
	completed, unsubscribe := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: jobs, Kinds: []river.EventKind{river.EventKindJobCompleted},
	})
	defer unsubscribe()

	start := time.Now()

	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return 0, fmt.Errorf("start: %w", err)
	}

	defer func() { err = errors.Join(err, client.Stop(context.WithoutCancel(ctx))) }()

	for range jobs {
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-completed:
		}
	}

	return time.Since(start), nil
}
