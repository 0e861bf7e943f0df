package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrCommitUnknown says that the connection was lost around COMMIT: the
// transaction may or may not have been applied. pgx calls some of these safe to
// retry although the row is there, so do not ask it; do the work again under the
// same keys, which waits for the first try to end and finds what it left.
var ErrCommitUnknown = errors.New("commit outcome unknown")

const (
	commitTimeout   = 10 * time.Second // statement_timeout does not bound the wait for a synchronous standby
	rollbackTimeout = 5 * time.Second
)

// InTx runs fn in a transaction: committed when fn returns nil, rolled back when
// it fails or panics, also when ctx has ended by then. It returns fn's error as
// it is, and [ErrCommitUnknown] when only reading again can tell.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(tx pgx.Tx) error) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}

	committed := false

	defer func() {
		if committed {
			return
		}

		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()

		_ = tx.Rollback(cleanup) // the connection is closed if this fails, which rolls back, too
	}()

	if err := fn(tx); err != nil {
		return err
	}

	commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()

	committed = true

	return commitError(tx.Commit(commit))
}

// commitError tells a commit that was refused from one whose answer got lost.
// Only an ERROR is the server's word that nothing was applied: a FATAL (an
// administrator's shutdown) may come after the commit record was written.
func commitError(err error) error {
	if err == nil {
		return nil
	}

	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.SeverityUnlocalized == "ERROR" {
		return fmt.Errorf("commit: %w", err)
	}

	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return fmt.Errorf("commit: %w", err)
	}

	return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
}
