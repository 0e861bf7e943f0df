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
	"orders/db/clock"
	"orders/db/link"
	"orders/db/liveness"
)

const (
	heartbeatEvery   = time.Second     // plus or minus a quarter; also how often each worker looks for dead ones
	heartbeatTimeout = 3 * time.Second // a connection that takes longer is replaced
	registerTimeout  = 5 * time.Second
	lockPause        = 500 * time.Millisecond
)

// heartbeat shows the other workers that this one is alive, and rescues the jobs of
// dead ones. River alone would rescue them after half a minute or more, and only if
// there is still a leader.
//
//	this worker ── lock, heartbeat ──► workers ◄── look ── every other worker
//	                                                    └─► the dead one's jobs: running ──► available
//
// It has a goroutine and a connection of its own, so that it waits for nothing else.
type heartbeat struct {
	pool *pgxpool.Pool
	link link.Link
	log  *slog.Logger
	time *clock.Clock // measured with each heartbeat
	self liveness.Worker

	hands   *hands
	rescued func(jobs int64) // is told of rescued jobs

	lock    *liveness.Lock // belongs to the goroutine while that runs
	cancel  context.CancelFunc
	stopped chan struct{} // closed when the goroutine has ended
	once    sync.Once
}

func newHeartbeat(o Options, time *clock.Clock) *heartbeat {
	host, _ := os.Hostname() // for operators to read; it may be empty

	rescued := o.observer().Rescued

	return &heartbeat{pool: o.Pool, link: o.Link, log: o.Log, time: time, hands: newHands(), rescued: rescued, self: liveness.Worker{
		ID:      db.NewName(),
		Host:    host,
		PID:     os.Getpid(),
		Version: o.Version,
		Queues:  o.Concurrency,
	}}
}

// start registers the worker, before it takes its first job.
func (h *heartbeat) start(ctx context.Context) error {
	if err := h.register(ctx); err != nil {
		return err
	}

	if !h.lock.Taken() {
		h.log.WarnContext(ctx, "the worker has no lock: the database has none, or a pooler stands between; "+
			"if the worker is killed, that is noticed after 10 s")
	}

	ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.stopped = make(chan struct{})

	go h.run(ctx)

	return nil
}

// stop ends the heartbeat. Call it when no job runs here any more. It releases the
// lock last, so that no other worker takes a stopped worker for a dead one.
func (h *heartbeat) stop(ctx context.Context) (err error) {
	if h.cancel == nil {
		return nil
	}

	h.once.Do(func() {
		h.cancel()
		<-h.stopped

		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), registerTimeout)
		defer cancel()

		err = liveness.Remove(cleanup, h.pool, h.self.ID)

		h.lock.Close(cleanup)
	})

	return err
}

// register takes a lock and then writes the worker's row.
func (h *heartbeat) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()

	lock, err := liveness.TakeLock(ctx, h.link.Sessions(h.pool), h.self.ID)
	if err != nil {
		return err
	}

	err = h.time.Measure(ctx, lock.Conn())
	h.self.ClockSkew = h.time.Skew()

	if err == nil {
		err = liveness.Register(ctx, h.pool, lock, h.self)
	}

	if err != nil {
		lock.Close(ctx)

		return err
	}

	h.lock = lock

	return nil
}

// run holds a lock, and takes a new one when it is lost: by a restart of Postgres, or
// a cut connection. The worker goes on meanwhile. If others find it dead, its jobs run
// twice, which does no harm (see [liveness.RescueJobs]).
func (h *heartbeat) run(ctx context.Context) {
	defer close(h.stopped)

	for {
		err := h.hold(ctx)

		for err != nil {
			if ctx.Err() != nil {
				return
			}

			h.log.WarnContext(ctx, "worker has lost its lock; it takes a new one", "worker", h.self.ID, "error", err)
			h.lock.Close(ctx)

			if err = h.register(ctx); err != nil {
				pause(ctx, jitter(lockPause))
			}
		}
	}
}

// hold sends heartbeats and rescues the jobs of dead workers, until the lock is lost
// or ctx ends. It rests first: after a restart of Postgres all workers have lost their
// locks, and need time to take new ones.
func (h *heartbeat) hold(ctx context.Context) error {
	for {
		if err := h.lock.Rest(ctx, jitter(heartbeatEvery)); err != nil {
			return err
		}

		if err := h.send(ctx); err != nil {
			return err
		}

		if err := h.giveBack(ctx); err != nil {
			h.log.ErrorContext(ctx, "cannot give back jobs that are not run", "error", err)
		}

		if err := h.rescue(ctx); err != nil {
			h.log.ErrorContext(ctx, "cannot rescue the jobs of dead workers", "error", err) // the next heartbeat tells if the lock is lost
		}
	}
}

func (h *heartbeat) send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()

	if err := h.time.Measure(ctx, h.lock.Conn()); err != nil {
		return err
	}

	h.self.ClockSkew = h.time.Skew()

	alive, err := liveness.Heartbeat(ctx, h.lock, h.self.ID, h.self.ClockSkew)
	if err != nil || alive {
		return err
	}

	h.log.WarnContext(ctx, "worker was found dead; it registers again", "worker", h.self.ID)

	return liveness.Register(ctx, h.pool, h.lock, h.self)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// jitter keeps workers that were started together from querying together.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2) //nolint:gosec // jitter, not a secret
}
