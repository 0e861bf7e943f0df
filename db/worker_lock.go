package db

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// workerLocks is the first key of the workers' advisory locks: "ORDR" in ASCII,
// to be out of the way of other programs' locks.
const workerLocks = 0x4f524452

// A WorkerLock shows that a worker process lives: an advisory lock of a session of
// its own, which Postgres lets go of when the process has died.
//
// It is for one goroutine.
type WorkerLock struct {
	conn *pgx.Conn
	key  *int32 // null behind a pooler, whose sessions live on when a client dies
}

// LockWorker takes a new lock. Its key is drawn by lot, so that nobody ever waits
// for one: neither for a probe of another worker nor, after the network broke,
// for this worker's own last session, which Postgres may still believe in.
func LockWorker(ctx context.Context, pool *pgxpool.Pool, worker string) (_ *WorkerLock, err error) {
	config := pool.Config().ConnConfig
	config.RuntimeParams["application_name"] = "orders worker " + worker

	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect for the worker's lock: %w", err)
	}

	l := &WorkerLock{conn: conn}

	defer func() {
		if err != nil {
			l.Close(ctx)
		}
	}()

	if pooled, err := l.pooled(ctx); err != nil || pooled {
		return l, err
	}

	return l, l.take(ctx)
}

// pooled tells whether a pooler answers for Postgres: it gives its clients
// process ids of its own.
func (l *WorkerLock) pooled(ctx context.Context) (bool, error) {
	var backend uint32
	if err := l.conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&backend); err != nil {
		return false, fmt.Errorf("ask for the session's process: %w", err)
	}

	return backend != l.conn.PgConn().PID(), nil
}

func (l *WorkerLock) take(ctx context.Context) error {
	// A host that vanishes says no goodbye: let Postgres find out within some seconds, not hours. Beats need not
	// survive a crash of the server: it ends the session, too.
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
		key := rand.Int32N(math.MaxInt32) //nolint:gosec // a lot, not a secret
		l.key = &key

		if err := l.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, workerLocks, key).Scan(&taken); err != nil {
			return fmt.Errorf("take the worker's lock: %w", err)
		}
	}

	return nil
}

// Conn is the session that holds the lock. It is beside the pool, so that a beat
// does not wait until the work leaves it a connection.
func (l *WorkerLock) Conn() *pgx.Conn { return l.conn }

// Rest waits for d, or until the lock is lost, which it notices at once where
// Postgres or the network says so.
func (l *WorkerLock) Rest(ctx context.Context, d time.Duration) error {
	rest, cancel := context.WithTimeout(ctx, d)
	defer cancel()

	for {
		_, err := l.conn.WaitForNotification(rest) // there is none; it is the way to read what the server has to say

		switch {
		case err == nil:
		case ctx.Err() == nil && rest.Err() != nil && !l.conn.IsClosed():
			return nil
		default:
			return fmt.Errorf("hold the worker's lock: %w", err)
		}
	}
}

// Close lets go of the lock.
func (l *WorkerLock) Close(ctx context.Context) {
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()

	_ = l.conn.Close(cleanup) // it is closed whatever happens
}
