package workers

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
)

const (
	beatEvery     = time.Second     // also how often each worker looks for dead ones; give or take a quarter
	beatTimeout   = 3 * time.Second // a connection that takes longer is given up for a new one
	appearTimeout = 5 * time.Second
	lockPause     = 500 * time.Millisecond
)

// liveness shows the others that this worker lives, and puts back the jobs of
// those that do not. River alone would rescue them after half a minute or more,
// if a leader is left.
//
//	this worker ── lock, beat ──► workers ◄── look ── every other worker
//	                                              └─► the dead one's jobs: running ──► available
//
// It has a goroutine and a connection of its own, for which nothing else competes.
type liveness struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	self db.Worker

	lock    *db.WorkerLock // the goroutine's while there is one
	cancel  context.CancelFunc
	stopped chan struct{} // closed when the goroutine is gone
	once    sync.Once
}

func newLiveness(o Options) *liveness {
	host, _ := os.Hostname() // for people to read; empty is no harm

	return &liveness{pool: o.Pool, log: o.Log, self: db.Worker{
		ID:      db.NewName(),
		Host:    host,
		PID:     os.Getpid(),
		Version: o.Version,
		Queues:  o.Concurrency,
	}}
}

// start shows that the worker lives before it takes its first job.
func (l *liveness) start(ctx context.Context) error {
	if err := l.appear(ctx); err != nil {
		return err
	}

	ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.stopped = make(chan struct{})

	go l.run(ctx)

	return nil
}

// stop is for when no job runs here any more. The lock goes last: nobody is to
// find this worker dead that has only stopped.
func (l *liveness) stop(ctx context.Context) (err error) {
	if l.cancel == nil {
		return nil
	}

	l.once.Do(func() {
		l.cancel()
		<-l.stopped

		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), appearTimeout)
		defer cancel()

		err = db.RemoveWorker(cleanup, l.pool, l.self.ID)

		l.lock.Close(cleanup)
	})

	return err
}

// appear takes a lock, and then says so.
func (l *liveness) appear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, appearTimeout)
	defer cancel()

	lock, err := db.LockWorker(ctx, l.pool, l.self.ID)
	if err != nil {
		return err
	}

	if err := db.PutWorker(ctx, l.pool, lock, l.self); err != nil {
		lock.Close(ctx)

		return err
	}

	l.lock = lock

	return nil
}

// run holds lock after lock. A lost one (a restart of Postgres, a cut connection)
// is no reason to stop working: if the others think it dead meanwhile, its jobs
// run twice, which does no harm (see [db.ReturnJobs]).
func (l *liveness) run(ctx context.Context) {
	defer close(l.stopped)

	for {
		err := l.hold(ctx)

		for err != nil {
			if ctx.Err() != nil {
				return
			}

			l.log.WarnContext(ctx, "worker has no lock", "worker", l.self.ID, "error", err)
			l.lock.Close(ctx)

			if err = l.appear(ctx); err != nil {
				pause(ctx, jitter(lockPause))
			}
		}
	}
}

// hold beats, and looks after the others, until the lock is lost or ctx ends. It
// rests first: after a restart of Postgres all have lost their locks, and are to
// be given the time to come back.
func (l *liveness) hold(ctx context.Context) error {
	for {
		if err := l.lock.Rest(ctx, jitter(beatEvery)); err != nil {
			return err
		}

		if err := l.beat(ctx); err != nil {
			return err
		}

		if err := l.bury(ctx); err != nil {
			l.log.ErrorContext(ctx, "cannot look after dead workers", "error", err) // the next beat tells whether the lock is lost
		}
	}
}

func (l *liveness) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()

	alive, err := db.Beat(ctx, l.lock, l.self.ID)
	if err != nil || alive {
		return err
	}

	l.log.WarnContext(ctx, "worker was found dead, and goes on", "worker", l.self.ID)

	return db.PutWorker(ctx, l.pool, l.lock, l.self)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// jitter keeps workers that were started together from looking together.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2) //nolint:gosec // jitter, not a secret
}
