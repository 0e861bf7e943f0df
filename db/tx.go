package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/pipeline"
	"orders/db/session"
)

// ErrCommitUnknown says that the connection was lost around COMMIT: the
// transaction may or may not have been applied. Do the work again under the same
// keys: the second transaction waits until the first one has ended, and finds what it
// wrote. Do not rely on pgconn.SafeToRetry: it returns true for some errors although
// the row was written.
var ErrCommitUnknown = errors.New("commit outcome unknown")

const (
	commitTimeout  = 10 * time.Second // statement_timeout does not bound the wait for a synchronous standby
	cleanupTimeout = 5 * time.Second
)

// InTx runs fn in a transaction. It commits if fn returns nil. It rolls back if fn fails
// or panics, even if ctx has ended. It returns fn's error unchanged, and
// [ErrCommitUnknown] if the outcome of the commit is unknown.
//
// The transaction is a [pipeline.Tx]: what fn sends with [pipeline.Exec] may fail at the commit.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(tx pgx.Tx) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer conn.Release()

	tx := pipeline.Begin(conn.Conn())
	defer rollback(ctx, tx) // of no effect after a commit

	if err := fn(tx); err != nil {
		return err
	}

	if err := flush(ctx, tx); err != nil {
		return fmt.Errorf("before the commit: %w", err)
	}

	commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()

	return commitError(tx.Commit(commit))
}

// flush sends what waits if its caller allows statements that take long, as an audit does:
// commitTimeout would end them. What a request or a group commit sends goes with COMMIT.
func flush(ctx context.Context, tx *pipeline.Tx) error {
	if deadline, bounded := ctx.Deadline(); !bounded || time.Until(deadline) > session.StatementTimeout {
		if err := tx.Flush(ctx); err != nil {
			return err //nolint:wrapcheck // it says what was being done
		}
	}

	return ctx.Err() //nolint:wrapcheck // InTx does it
}

// LiftStatementTimeout removes the limit that [Open] sets on the time of a statement,
// for this transaction: reading all data takes longer.
func LiftStatementTimeout(ctx context.Context, tx pgx.Tx) error {
	return pipeline.Exec(ctx, tx, "lift statement timeout", `SET LOCAL statement_timeout = 0`)
}

// AwaitStandby makes the commit of the transaction wait for a synchronous standby if the
// server has one, as if the transaction had written. Call it before a response that relies
// on an earlier transaction: that one may exist on this server alone, because Postgres shows
// a commit to others when its client has given up waiting for the standby.
//
// A transaction that writes or locks rows waits anyway.
func AwaitStandby(ctx context.Context, tx pgx.Tx) error {
	return pipeline.Exec(ctx, tx, "await standby", `
		SELECT pg_logical_emit_message(true, 'orders', '')
		WHERE current_setting('synchronous_standby_names') <> ''`)
}

// ErrReadOnly says that the server takes no writes: it is a standby, or was fenced off.
var ErrReadOnly = fmt.Errorf("the database is read-only: %w", ErrUnavailable)

// CheckWritable returns [ErrReadOnly] if the pool is connected to a server that takes no
// writes. The pool then connects anew, which finds the primary if the url names several
// servers with target_session_attrs=read-write, or a name that has moved.
func CheckWritable(ctx context.Context, pool *pgxpool.Pool) error {
	readOnly, err := ReadOnly(ctx, pool)
	if err != nil || !readOnly {
		return err
	}

	pool.Reset()

	return ErrReadOnly
}

// ReadOnly tells whether transactions cannot write: on a standby, or by a setting.
func ReadOnly(ctx context.Context, q Querier) (readOnly bool, err error) {
	if err = q.QueryRow(ctx, `SELECT current_setting('transaction_read_only')::bool`).Scan(&readOnly); err != nil {
		return false, fmt.Errorf("read whether the server is read only: %w", err)
	}

	return readOnly, nil
}

// rollback rolls back also when ctx has ended. If it fails, pgx closes the connection,
// which rolls back, too.
func rollback(ctx context.Context, tx pgx.Tx) {
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()

	_ = tx.Rollback(cleanup)
}

// CloseConn closes a connection that does not belong to a pool, even if ctx has ended.
func CloseConn(ctx context.Context, conn *pgx.Conn) {
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()

	_ = conn.Close(cleanup) // it is closed even if the server does not hear of it
}

// commitError tells a commit that was refused from a commit whose response was lost.
// Only an ERROR means that nothing was applied: a FATAL (an administrator's
// shutdown) may come after the commit record was written. If pgx cannot prepare what it
// would send with COMMIT, for instance because a value has no encoding, it sends none of it.
func commitError(err error) error {
	if err == nil {
		return nil
	}

	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.SeverityUnlocalized == "ERROR" {
		return fmt.Errorf("commit: %w", err)
	}

	_, unsent := errors.AsType[pgx.ErrPreprocessingBatch](err)
	if unsent || errors.Is(err, pgx.ErrTxCommitRollback) {
		return fmt.Errorf("commit: %w", err)
	}

	return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
}

// Snapshot runs fn in a read-only transaction on one snapshot of the database: what fn
// reads from several tables is consistent.
func Snapshot(ctx context.Context, pool *pgxpool.Pool, fn func(tx pgx.Tx) error) error {
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}

	defer rollback(ctx, tx) // there is nothing to keep

	return fn(tx)
}
