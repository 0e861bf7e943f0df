package db

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// WatchApplication is the application_name of the connection that [Listen] holds.
const WatchApplication = "orders watch"

const (
	announceEvery   = 100 * time.Millisecond // changes within that time share an announcement
	announceTimeout = 5 * time.Second
	listenProbe     = 30 * time.Second // after that long without a word, is the other side still there?
	listenPause     = 100 * time.Millisecond
	listenMaxPause  = 5 * time.Second
)

// An Announcer tells every process that watches orders that some have changed.
//
// It does so after the commit, in a transaction of its own and at most ten times
// a second. NOTIFY within the transactions that change orders would cost more
// than it looks: each holds one lock of the whole server until its commit is on
// disk, so that commits stand in line which else would share a flush. The
// announcement that dies with its process is what watchers look by themselves for.
type Announcer struct {
	pool *pgxpool.Pool

	mu    sync.Mutex
	busy  bool // a goroutine announces, or waits until it may again
	again bool // there were changes since it has announced
}

// NewAnnouncer makes an announcer. There is nothing to close: it runs only while
// orders change.
func NewAnnouncer(pool *pgxpool.Pool) *Announcer {
	return &Announcer{pool: pool}
}

// Changed announces, soon, that orders have changed. It never blocks.
func (a *Announcer) Changed() {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.again = true

	if !a.busy {
		a.busy = true

		go a.run()
	}
}

func (a *Announcer) run() {
	for a.due() {
		a.announce()
		time.Sleep(announceEvery) //nolint:forbidigo // nobody waits for it
	}
}

// due takes the changes there are; without any, the announcer rests.
func (a *Announcer) due() bool {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.busy, a.again = a.again, false

	return a.busy
}

func (a *Announcer) announce() {
	ctx, cancel := context.WithTimeout(context.Background(), announceTimeout)
	defer cancel()

	_, _ = a.pool.Exec(ctx, `SELECT pg_notify('orders_changed', '')`) // if it fails, watchers look a little later
}

// Listen calls heard whenever orders may have changed: at each announcement, and
// when it has connected, as it may have missed some until then. It holds one
// connection beside the pool and makes a new one when that is lost, of which it
// tells lost. It ends with ctx.
func Listen(ctx context.Context, pool *pgxpool.Pool, heard func(), lost func(error)) {
	config := pool.Config().ConnConfig
	config.RuntimeParams["application_name"] = WatchApplication

	for pause := listenPause; ; pause = min(2*pause, listenMaxPause) {
		err := listen(ctx, config, func() {
			pause = listenPause

			heard()
		})
		if ctx.Err() != nil {
			return
		}

		lost(err)

		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // jitter, not a secret
		}
	}
}

// listen is the life of one connection.
func listen(ctx context.Context, config *pgx.ConnConfig, heard func()) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to listen: %w", err)
	}

	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()

		_ = conn.Close(cleanup)
	}()

	if _, err := conn.Exec(ctx, `LISTEN orders_changed`); err != nil {
		return fmt.Errorf("listen: %w", err)
	}

	for {
		heard()

		if err := await(ctx, conn); err != nil {
			return err
		}
	}
}

// await returns at an announcement. A connection whose other side has vanished
// stays silent for ever, hence the probes.
func await(ctx context.Context, conn *pgx.Conn) error {
	for {
		wait, cancel := context.WithTimeout(ctx, listenProbe)
		_, err := conn.WaitForNotification(wait)
		quiet := wait.Err() != nil && ctx.Err() == nil

		cancel()

		if err == nil {
			return nil
		}

		if !quiet || conn.IsClosed() {
			return fmt.Errorf("listen: %w", err)
		}

		probe, cancel := context.WithTimeout(ctx, announceTimeout)
		err = conn.Ping(probe)

		cancel()

		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
}
