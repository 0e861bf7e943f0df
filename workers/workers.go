// Package workers runs the jobs. There is one handler for each kind, a thin layer around
// packages flow and repair. The jobs of a step share transactions through group commit.
// This makes a queue on Postgres fast.
//
//   - A worker is a process that runs [Workers].
//   - A handler is the code for a kind of job. River calls it a Worker.
//   - The concurrency of a queue is how many of its jobs a worker runs at once.
package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"orders/db/change"
	"orders/db/clock"
	"orders/db/groupcommit"
	"orders/db/link"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
	"orders/order/repair"
	"orders/workers/deliver"
	"orders/workers/fetch"
	"orders/workers/mail"
	"orders/workers/retention"
	"orders/workers/webhook"
)

const (
	fetchCooldown     = 50 * time.Millisecond
	fetchPollInterval = 250 * time.Millisecond // how late a job starts when its NOTIFY is lost
	jobTimeout        = 10 * time.Second       // of a kind that has no timeout of its own
	rescueAfter       = 20 * time.Second       // for jobs that heartbeats miss; early, as ledgers make a second attempt harmless
	softStop          = 10 * time.Second       // for running jobs to finish before their contexts end
	deadKept          = 30 * 24 * time.Hour    // discarded and cancelled jobs: those of open letters, as a resolved letter's job is deleted
)

// Options configure [Workers].
type Options struct {
	Pool        *pgxpool.Pool
	Link        link.Link // what the way to the database lacks
	Log         *slog.Logger
	Version     string         // of the program; GET /workers shows it
	Concurrency map[string]int // jobs at once in this process, by queue; other queues are not worked

	Jobs  jobs.Settings
	Rules repair.Rules

	Webhook  string   // address to which alerts are posted; empty for none
	Observer Observer // nil for none

	Middleware   []rivertype.Middleware // around enqueuing and working jobs; none by default
	AllowPrivate bool                   // events may be sent to addresses that are not public
	Mail         *mail.Sender           // sends mail to customers; nil for none
}

// Workers are the handlers of this process and River's client, which runs them.
type Workers struct {
	client    *river.Client[pgx.Tx]
	heartbeat *heartbeat
	clock     *clock.Clock           // the database's
	groups    []interface{ Close() } // the group commits of the handlers
	followers []*deliver.Followers   // of webhooks and mail
	options   Options
}

// New makes workers. [Workers.Start] starts them.
func New(o Options) (*Workers, error) {
	for _, step := range order.Steps() {
		if !slices.ContainsFunc(flow.Specs(), func(s flow.Spec) bool { return s.Name == step.Name }) {
			return nil, fmt.Errorf("step %s is declared, but package flow has no Spec of it", step.Name)
		}
	}

	w := &Workers{clock: clock.New(o.Log), options: o}
	w.heartbeat = newHeartbeat(o, w.clock)

	// The handlers enqueue follow-up work by a client of their own: the one that runs them is made from them.
	queue, err := jobs.NewClient(o.Pool, o.Log, o.Jobs, o.Middleware...)
	if err != nil {
		return nil, err
	}

	log := newSampler(o.Log)
	log.failure = o.observer().AttemptFailed

	queues := make(map[string]river.QueueConfig, len(o.Concurrency))
	for name, n := range o.Concurrency {
		queues[name] = river.QueueConfig{MaxWorkers: n}
	}

	driver := attentive{
		Driver: riverpgxv5.New(o.Pool), clock: w.clock, hands: w.heartbeat.hands, heads: fetch.NewHeads(o.Pool),
		sessions: o.Link.Sessions(o.Pool),
	}

	w.client, err = river.NewClient(driver, &river.Config{
		CancelledJobRetentionPeriod: deadKept,
		DiscardedJobRetentionPeriod: deadKept,
		CompletedJobRetentionPeriod: o.Jobs.KeepCompleted,
		FetchCooldown:               fetchCooldown,
		FetchOnlyKnownKinds:         true, // a newer program's jobs wait for that program's workers
		FetchPollInterval:           fetchPollInterval,
		ID:                          w.heartbeat.self.ID, // attempted_by and the leader's lease name it
		JobTimeout:                  jobTimeout,
		Logger:                      o.Log,
		MaxAttempts:                 o.Jobs.Attempts,
		Middleware: append(slices.Clone(o.Middleware),
			&jobs.DatabaseTime{}, &completion{}, w.heartbeat.hands, &failures{log: log},
			&quarantine{pool: o.Pool, alone: make(chan struct{}, 1)},
		),
		PollOnly:             o.Link.PollOnly,
		PeriodicJobs:         jobs.Periodic(o.Jobs),
		Queues:               queues,
		RescueStuckJobsAfter: rescueAfter,
		SoftStopTimeout:      softStop,
		Test:                 river.TestConfig{Time: w.clock}, // made for tests; it is how River is given a clock
		Workers:              w.register(o, queue, log),
	})
	if err != nil {
		w.close()

		return nil, fmt.Errorf("make workers: %w", err)
	}

	return w, nil
}

// register adds a handler for each kind, also of queues that this process does not
// work: the elected leader discards a running job of a kind that it does not know
// after rescueAfter.
//
// During a rolling deploy the leader may be an older program. The jobs of new steps
// are safe from it: their timeout is shorter, and a dead worker's jobs are rescued
// earlier. It may discard a new sweep that takes longer; the next period repeats it.
func (w *Workers) register(o Options, queue *flow.Queue, log *sampler) *river.Workers {
	handlers := river.NewWorkers()
	changed := change.NewNotifier(o.Pool).Changed
	ofOrder := policy[jobs.OfOrder]{clock: w.clock}

	for _, spec := range flow.Specs() {
		work := newStepWork(o, spec, queue, log, changed)
		work.now = w.clock.Now
		w.groups = append(w.groups, work.group)

		// AddWorkerArgs is meant for River's own tests. It is needed here because all steps have the same types of args.
		river.AddWorkerArgs(handlers, jobs.Step(spec.Step, uuid.Nil), &stepHandler{policy: ofOrder, work: work})
		river.AddWorkerArgs(handlers, jobs.Batch(spec.Step, uuid.Nil, nil),
			&batchHandler{policy: policy[jobs.OfBatch]{clock: w.clock}, work: work})
	}

	expired := share(w, o, jobs.KindExpire, changed, flow.Expire(queue))
	river.AddWorkerArgs(handlers, jobs.Expire(uuid.Nil), &expire{policy: ofOrder, group: expired})
	river.AddWorker(handlers, &compensate{
		policy: policy[jobs.Compensate]{clock: w.clock}, pool: o.Pool, log: o.Log, sampled: log,
		rules: o.Rules, changed: changed, counted: o.observer().Counted,
	})
	river.AddWorker(handlers, &auditor{policy: policy[jobs.Audit]{clock: w.clock}, pool: o.Pool, log: o.Log})
	river.AddWorker(handlers, &statistics{policy: policy[jobs.Stats]{clock: w.clock}, pool: o.Pool})
	river.AddWorker(handlers, &prune{
		policy: policy[jobs.Prune]{clock: w.clock}, pruner: retention.Pruner{Pool: o.Pool, Log: o.Log, KeepEvents: o.Jobs.KeepEvents},
	})
	river.AddWorker(handlers, &alerter{
		policy: policy[jobs.Alert]{clock: w.clock}, pool: o.Pool, log: o.Log, webhook: webhook.New(o.Webhook),
	})

	w.registerDeliveries(o, handlers)

	return handlers
}

// share makes a group commit, which is closed with the workers.
func share[In, Out any](w *Workers, o Options, name string, changed func(), batch groupcommit.Batch[In, Out]) *groupcommit.Group[In, Out] {
	group := groupcommit.New(o.Pool, groupcommit.Options{Committed: changed, Observe: o.observer().Batch(name)}, batch)
	w.groups = append(w.groups, group)

	return group
}

// Start starts the workers. The end of ctx does not stop them: Stop does.
func (w *Workers) Start(ctx context.Context) error {
	if err := w.heartbeat.start(ctx); err != nil {
		return fmt.Errorf("start workers: %w", err)
	}

	if err := w.ensureMail(ctx); err != nil {
		return fmt.Errorf("start workers: %w", errors.Join(err, w.heartbeat.stop(ctx)))
	}

	if err := w.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start workers: %w", errors.Join(err, w.heartbeat.stop(ctx)))
	}

	return nil
}

// Stop fetches no more jobs and returns when the running ones have ended. A job that
// takes too long is interrupted and becomes available again, without using an attempt.
func (w *Workers) Stop(ctx context.Context) error {
	for _, f := range w.followers {
		f.Close()
	}

	err := errors.Join(w.client.Stop(ctx), w.heartbeat.stop(ctx))
	w.close()

	if w.options.Mail != nil {
		w.options.Mail.Close()
	}

	if err != nil {
		return fmt.Errorf("stop workers: %w", err)
	}

	return nil
}

// Warning says in a sentence what is wrong with this machine's clock; empty if nothing is.
func (w *Workers) Warning() string { return w.clock.Warning() }

func (w *Workers) close() {
	for _, group := range w.groups {
		group.Close()
	}
}
