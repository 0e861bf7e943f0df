// Package change tells all processes that orders have changed, by Postgres' NOTIFY.
package change

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/session"
)

// ListenerApplication is the application_name of the connection that [Listen] holds.
const ListenerApplication = "orders watch"

const (
	notifyEvery    = 100 * time.Millisecond // changes within that time share a notification
	notifyTimeout  = 5 * time.Second
	listenProbe    = 30 * time.Second // a connection that is silent for that long is checked
	listenPause    = 100 * time.Millisecond
	listenMaxPause = 5 * time.Second
)

// A Notifier notifies every process that listens that orders have changed.
//
// It does so after the commit, in a transaction of its own and at most ten times a
// second. NOTIFY within the transactions that change orders is expensive: each holds
// one lock of the server until its commit is on disk, so that commits wait for each
// other instead of sharing a flush. A notification is lost if its process ends before
// it; therefore listeners also look at intervals.
type Notifier struct {
	pool *pgxpool.Pool

	mu    sync.Mutex
	busy  bool // a goroutine notifies, or waits until it may again
	again bool // there were changes since the last notification
}

// NewNotifier makes a notifier. There is nothing to close: it runs only while orders
// change.
func NewNotifier(pool *pgxpool.Pool) *Notifier {
	return &Notifier{pool: pool}
}

// Changed notifies listeners, soon, that orders have changed. It never blocks.
func (n *Notifier) Changed() {
	n.mu.Lock()
	defer n.mu.Unlock()

	n.again = true

	if !n.busy {
		n.busy = true

		go n.run()
	}
}

func (n *Notifier) run() {
	for n.due() {
		n.notify()
		time.Sleep(notifyEvery) //nolint:forbidigo // no caller waits for it
	}
}

// due takes the changes there are; without any, the goroutine ends.
func (n *Notifier) due() bool {
	n.mu.Lock()
	defer n.mu.Unlock()

	n.busy, n.again = n.again, false

	return n.busy
}

func (n *Notifier) notify() {
	ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
	defer cancel()

	Notify(ctx, n.pool)
}

// Notify notifies every process that listens, once. If that fails, listeners look a little later.
func Notify(ctx context.Context, q db.Querier) {
	_, _ = q.Exec(ctx, `SELECT pg_notify('orders_changed', '')`)
}

// Listen calls heard whenever orders may have changed: at each notification, and
// after it has connected, as it may have missed notifications before. It holds one
// connection beside the pool. When that is lost, it calls lost and connects again.
// It ends with ctx.
func Listen(ctx context.Context, pool *pgxpool.Pool, heard func(), lost func(error)) {
	config := pool.Config()
	config.ConnConfig.RuntimeParams["application_name"] = ListenerApplication

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

// listen listens on one connection until that is lost.
func listen(ctx context.Context, config *pgxpool.Config, heard func()) error {
	conn, err := session.Connect(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to listen: %w", err)
	}

	defer db.CloseConn(ctx, conn)

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

// await returns at a notification. A connection stays silent for ever if its server has
// vanished or is not the primary any more, hence the probes.
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

		probe, cancel := context.WithTimeout(ctx, notifyTimeout)
		readOnly, err := db.ReadOnly(probe, conn)

		cancel()

		if err == nil && readOnly { // changes are made on another server now
			err = db.ErrReadOnly
		}

		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
}
