// Package workers runs the jobs: one River worker a kind, each a thin coat around
// a step of package flow. The steps' callers share transactions through group
// commit, which is what makes a queue on Postgres fast.
package workers

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db"
	"orders/jobs"
	"orders/order/flow"
)

const (
	fetchCooldown     = 50 * time.Millisecond
	fetchPollInterval = 250 * time.Millisecond // the guarantee below LISTEN/NOTIFY: how late a lost notification makes a job
	jobTimeout        = 10 * time.Second       // of a kind without one of its own
	rescueAfter       = 20 * time.Second       // a killed worker's jobs; early, as ledgers make a second run harmless
	softStop          = 10 * time.Second       // for running jobs to finish before their contexts end
)

// Options are what the workers need.
type Options struct {
	Pool        *pgxpool.Pool
	Log         *slog.Logger
	Concurrency map[string]int // jobs at once in this process, by queue; a queue that is not there is not worked
}

// Workers are this process's workers.
type Workers struct {
	client  *river.Client[pgx.Tx]
	reserve *db.GroupCommit[uuid.UUID, flow.None]
	award   *db.GroupCommit[uuid.UUID, flow.None]
	notify  *db.GroupCommit[db.Notice, flow.None]
}

// New makes workers that are not started yet.
func New(o Options) (*Workers, error) {
	w := &Workers{
		reserve: db.NewGroupCommit(o.Pool, db.GroupOptions{}, flow.Reserve),
		award:   db.NewGroupCommit(o.Pool, db.GroupOptions{}, flow.Award),
		notify:  db.NewGroupCommit(o.Pool, db.GroupOptions{}, flow.Notify),
	}

	queues := make(map[string]river.QueueConfig, len(o.Concurrency))
	for queue, n := range o.Concurrency {
		queues[queue] = river.QueueConfig{MaxWorkers: n}
	}

	client, err := river.NewClient(riverpgxv5.New(o.Pool), &river.Config{
		FetchCooldown:        fetchCooldown,
		FetchOnlyKnownKinds:  true, // a newer program's jobs wait for a newer program's workers
		FetchPollInterval:    fetchPollInterval,
		JobTimeout:           jobTimeout,
		Logger:               o.Log,
		PeriodicJobs:         jobs.Periodic(),
		Queues:               queues,
		RescueStuckJobsAfter: rescueAfter,
		SoftStopTimeout:      softStop,
		Workers:              w.register(o),
	})
	if err != nil {
		w.close()

		return nil, fmt.Errorf("make workers: %w", err)
	}

	w.client = client

	return w, nil
}

// register lists the kinds. Every process knows all of them, because the elected
// leader discards stuck jobs of kinds that it does not.
func (w *Workers) register(o Options) *river.Workers {
	kinds := river.NewWorkers()

	river.AddWorker(kinds, &step[jobs.Inventory, uuid.UUID]{
		group: w.reserve,
		item:  func(a jobs.Inventory) uuid.UUID { return a.OrderID },
	})
	river.AddWorker(kinds, &step[jobs.Points, uuid.UUID]{
		group: w.award,
		item:  func(a jobs.Points) uuid.UUID { return a.OrderID },
	})
	river.AddWorker(kinds, &step[jobs.Notification, db.Notice]{
		group: w.notify,
		item:  notice,
	})
	river.AddWorker(kinds, &prune{pool: o.Pool, log: o.Log})

	return kinds
}

// Start begins to work. Workers stop by Stop, not by ctx.
func (w *Workers) Start(ctx context.Context) error {
	if err := w.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start workers: %w", err)
	}

	return nil
}

// Stop takes no more jobs, lets those that run finish, and returns when all have.
// Jobs that take too long are put back untouched.
func (w *Workers) Stop(ctx context.Context) error {
	err := w.client.Stop(ctx)
	w.close()

	if err != nil {
		return fmt.Errorf("stop workers: %w", err)
	}

	return nil
}

func (w *Workers) close() {
	w.reserve.Close()
	w.award.Close()
	w.notify.Close()
}
