package liveness

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/session"
)

// locks is the first key of the workers' advisory locks: "ORDR" in ASCII,
// which other programs' locks are unlikely to use.
const locks = 0x4f524452

// A Lock shows that a worker process lives: an advisory lock of a session of its own,
// which Postgres releases when the process has died. It is for one goroutine.
type Lock struct {
	conn *pgx.Conn
	key  *int32 // nil behind a pooler, whose sessions live on when a client dies, and if the database has no such locks
}

// TakeLock takes a new lock. Its key is random, so that a worker never waits for it:
// neither for the probe of another worker nor, after a network failure, for its own
// last session, which Postgres may not have ended yet.
func TakeLock(ctx context.Context, pool *pgxpool.Pool, worker string) (_ *Lock, err error) {
	config := pool.Config()
	config.ConnConfig.RuntimeParams["application_name"] = "orders worker " + worker

	conn, err := session.Connect(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect for the worker's lock: %w", err)
	}

	l := &Lock{conn: conn}

	defer func() {
		if err != nil {
			l.Close(ctx)
		}
	}()

	if pooled, err := session.Pooled(ctx, conn); err != nil || pooled {
		return l, err
	}

	return l, l.take(ctx)
}

func (l *Lock) take(ctx context.Context) error {
	// A host that vanishes does not close its connection: let Postgres find out within seconds, not hours. Heartbeats need
	// not survive a crash of the server, which ends the session, too.
	_, err := l.conn.Exec(ctx, `
		SELECT set_config(name, value, false)
		FROM (VALUES
			('tcp_keepalives_idle', '2'),
			('tcp_keepalives_interval', '1'),
			('tcp_keepalives_count', '3'),
			('tcp_user_timeout', '5000'),
			('synchronous_commit', 'off')) AS s (name, value)`)
	if err != nil {
		return fmt.Errorf("set up the worker's session: %w", err)
	}

	for taken := false; !taken; {
		key := rand.Int32N(math.MaxInt32) //nolint:gosec // not a secret
		err := l.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, locks, key).Scan(&taken)

		switch {
		case session.Lacks(err):
			return nil
		case err != nil:
			return fmt.Errorf("take the worker's lock: %w", err)
		}

		l.key = &key
	}

	return nil
}

// Taken tells whether there is a lock. Without one, heartbeats alone show that the worker lives.
func (l *Lock) Taken() bool { return l.key != nil }

// Conn is the session that holds the lock. It is not of the pool, so that a heartbeat
// never waits for a connection.
func (l *Lock) Conn() *pgx.Conn { return l.conn }

// Rest waits for d, or until the lock is lost. It notices the loss at once if Postgres
// or the network closes the connection.
func (l *Lock) Rest(ctx context.Context, d time.Duration) error {
	rest, cancel := context.WithTimeout(ctx, d)
	defer cancel()

	for {
		_, err := l.conn.WaitForNotification(rest) // none comes; this reads what else the server sends

		switch {
		case err == nil:
		case ctx.Err() == nil && rest.Err() != nil && !l.conn.IsClosed():
			return nil
		default:
			return fmt.Errorf("hold the worker's lock: %w", err)
		}
	}
}

// Close releases the lock.
func (l *Lock) Close(ctx context.Context) {
	db.CloseConn(ctx, l.conn)
}
