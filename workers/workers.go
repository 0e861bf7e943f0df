// Package workers runs the jobs: one River worker a kind, each a thin coat around
// a step of package flow. The steps' callers share transactions through group
// commit, which is what makes a queue on Postgres fast.
package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"orders/db"
	"orders/jobs"
	"orders/order/flow"
)

const (
	fetchCooldown     = 50 * time.Millisecond
	fetchPollInterval = 250 * time.Millisecond // the guarantee below LISTEN/NOTIFY: how late a lost notification makes a job
	jobTimeout        = 10 * time.Second       // of a kind without one of its own
	rescueAfter       = 20 * time.Second       // jobs that liveness has missed; early, as ledgers make a second run harmless
	softStop          = 10 * time.Second       // for running jobs to finish before their contexts end
	cleanAfter        = time.Hour              // River's own cleaner, for completed jobs that prune does not take
)

// jobIndexes are those of River's indexes that there are: each night it builds
// them anew, and warns of any that it misses.
var jobIndexes = []string{
	"river_job_pkey",
	"river_job_prioritized_fetching_index",
	"river_job_state_and_finalized_at_index",
	"river_job_unique_idx",
}

// Options are what the workers need.
type Options struct {
	Pool        *pgxpool.Pool
	Log         *slog.Logger
	Version     string         // of the program, for whoever asks which workers there are
	Concurrency map[string]int // jobs at once in this process, by queue; a queue that is not there is not worked

	Jobs         jobs.Settings
	Compensation flow.Compensation
}

// Workers are this process's workers.
type Workers struct {
	client  *river.Client[pgx.Tx]
	live    *liveness
	changed func() // announces that orders have changed
	reserve *db.GroupCommit[uuid.UUID, flow.None]
	award   *db.GroupCommit[uuid.UUID, flow.None]
	notify  *db.GroupCommit[db.Notice, flow.None]
	expire  *db.GroupCommit[uuid.UUID, *time.Time]
}

// New makes workers that are not started yet.
func New(o Options) (*Workers, error) {
	changed := db.NewAnnouncer(o.Pool).Changed
	group := db.GroupOptions{Committed: changed}
	w := &Workers{
		changed: changed,
		reserve: db.NewGroupCommit(o.Pool, group, flow.Reserve),
		award:   db.NewGroupCommit(o.Pool, group, flow.Award),
		notify:  db.NewGroupCommit(o.Pool, group, flow.Notify),
		expire:  db.NewGroupCommit(o.Pool, db.GroupOptions{Flushers: 1, Committed: changed}, flow.Expire),
	}

	queues := make(map[string]river.QueueConfig, len(o.Concurrency))
	for queue, n := range o.Concurrency {
		queues[queue] = river.QueueConfig{MaxWorkers: n}
	}

	w.live = newLiveness(o)

	client, err := river.NewClient(driver{riverpgxv5.New(o.Pool), o.Pool, o.Jobs.KeepCompleted}, &river.Config{
		CompletedJobRetentionPeriod: max(cleanAfter, 2*o.Jobs.KeepCompleted),
		FetchCooldown:               fetchCooldown,
		FetchOnlyKnownKinds:         true, // a newer program's jobs wait for a newer program's workers
		FetchPollInterval:           fetchPollInterval,
		ID:                          w.live.self.ID, // what attempted_by and the leader's lease say
		JobTimeout:                  jobTimeout,
		Logger:                      o.Log,
		MaxAttempts:                 o.Jobs.Attempts,
		Middleware:                  []rivertype.Middleware{&quarantine{pool: o.Pool, alone: make(chan struct{}, 1)}},
		PeriodicJobs:                jobs.Periodic(o.Jobs),
		Queues:                      queues,
		ReindexerIndexNames:         jobIndexes,
		RescueStuckJobsAfter:        rescueAfter,
		SoftStopTimeout:             softStop,
		Workers:                     w.register(o),
	})
	if err != nil {
		w.close()

		return nil, fmt.Errorf("make workers: %w", err)
	}

	w.client = client

	return w, nil
}

// register lists the kinds. Every process knows all of them, because the elected
// leader discards jobs of kinds that it does not, once they have run for
// rescueAfter. While programs of two versions run, the leader may be an old one:
// a step's timeout is shorter than that, and a killed worker's jobs are put back
// before; only a new sweep that takes longer might be discarded, and comes again.
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
	river.AddWorker(kinds, &expire{group: w.expire})
	river.AddWorker(kinds, &compensate{pool: o.Pool, log: o.Log, rules: o.Compensation, changed: w.changed})
	river.AddWorker(kinds, &audit{pool: o.Pool, log: o.Log})
	river.AddWorker(kinds, &prune{pool: o.Pool, log: o.Log, keep: o.Jobs.KeepCompleted})

	return kinds
}

// Start begins to work. Workers stop by Stop, not by ctx.
func (w *Workers) Start(ctx context.Context) error {
	if err := w.live.start(ctx); err != nil {
		return fmt.Errorf("start workers: %w", err)
	}

	if err := w.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start workers: %w", errors.Join(err, w.live.stop(ctx)))
	}

	return nil
}

// Stop takes no more jobs, lets those that run finish, and returns when all have.
// Jobs that take too long are put back untouched.
func (w *Workers) Stop(ctx context.Context) error {
	err := errors.Join(w.client.Stop(ctx), w.live.stop(ctx))
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
	w.expire.Close()
}
