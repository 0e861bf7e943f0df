// Package pipeline sends the statements of a transaction in few round trips.
//
//	round trip 1  BEGIN, first statement
//	round trip 2  statement whose result is read
//	round trip 3  statements whose results nobody reads, COMMIT
//
// BEGIN waits for the first statement. A statement that is sent with [Exec], or on [Later],
// waits for the next one whose result is read, or for COMMIT. The server executes all of
// them in their order. If one fails, it skips those behind it, and the error is that of the
// call that sent them: so an error of [Exec] may only be seen by a later call, or by Commit.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// A Tx is a transaction on a connection. It is not safe for concurrent use.
type Tx struct {
	conn    *pgx.Conn
	begun   pgx.Tx // nil until BEGIN has been sent
	waiting []statement
	closed  bool
}

type statement struct {
	what string // what it does, for its error
	sql  string
	args []any
}

var _ pgx.Tx = (*Tx)(nil)

// Begin starts a transaction. It sends nothing yet.
func Begin(conn *pgx.Conn) *Tx { return &Tx{conn: conn} }

// Exec executes a statement whose result nobody reads. In a [Tx] the statement waits for
// the next one, or for COMMIT, and its error comes from there. The error says what was
// being done. The args must not change afterwards.
func Exec(ctx context.Context, tx pgx.Tx, what, sql string, args ...any) error {
	if t, ok := tx.(*Tx); ok {
		return t.later(statement{what, sql, args})
	}

	if _, err := tx.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	return nil
}

// Later is a view of the transaction for code of others that writes, if nobody reads its
// results: Exec and Query wait like [Exec], and return no rows. On any other transaction
// than a [Tx] it changes nothing.
func Later(tx pgx.Tx, what string) pgx.Tx {
	if t, ok := tx.(*Tx); ok {
		return later{t, what}
	}

	return tx
}

func (t *Tx) later(s statement) error {
	if t.closed {
		return pgx.ErrTxClosed
	}

	t.waiting = append(t.waiting, s)

	return nil
}

// Commit sends what waits, and COMMIT. If a statement that waited fails, it rolls back.
func (t *Tx) Commit(ctx context.Context) error {
	if t.closed {
		return pgx.ErrTxClosed
	}

	if len(t.waiting) == 0 {
		t.closed = true

		if t.begun == nil {
			return nil
		}

		return t.begun.Commit(ctx)
	}

	tag, err := t.Exec(ctx, "commit")
	t.closed = true

	if t.conn.PgConn().TxStatus() != 'I' {
		_ = t.begun.Rollback(ctx) // if it fails, it closes the connection
	}

	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}

	return err
}

// Rollback rolls back, and forgets what waits.
func (t *Tx) Rollback(ctx context.Context) error {
	if t.closed {
		return pgx.ErrTxClosed
	}

	t.closed = true

	if t.begun == nil {
		return nil
	}

	return t.begun.Rollback(ctx)
}

// SendBatch sends what waits and the batch in one round trip.
func (t *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if t.closed {
		return pgx.FailedBatchResults(b, pgx.ErrTxClosed)
	}

	if t.ready() {
		return t.begun.SendBatch(ctx, b)
	}

	var (
		all    = &pgx.Batch{}
		before = t.waiting
	)

	if t.begun == nil {
		all.BeginTx(pgx.TxOptions{})

		before = append([]statement{{what: "begin"}}, before...)
	}

	for _, s := range t.waiting {
		all.Queue(s.sql, s.args...)
	}

	t.waiting = nil
	all.QueuedQueries = append(all.QueuedQueries, b.QueuedQueries...)
	results := t.conn.SendBatch(ctx, all)

	if t.begun == nil {
		t.begun = results.Tx()
	}

	for _, s := range before {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // it returns the same error

			return pgx.FailedBatchResults(b, attribute(err, s, before))
		}
	}

	return results
}

// attribute says which statement failed: the one whose result was being read, unless pgx
// could not prepare one of all that it was to send.
func attribute(err error, reading statement, sent []statement) error {
	if unsent, ok := errors.AsType[pgx.ErrPreprocessingBatch](err); ok {
		at := slices.IndexFunc(sent, func(s statement) bool { return s.sql == unsent.SQL() })
		if at < 0 {
			return err // it is one of the caller's own
		}

		reading = sent[at]
	}

	return fmt.Errorf("%s: %w", reading.what, err)
}

// ready tells whether nothing has to be sent before the next statement.
func (t *Tx) ready() bool { return t.begun != nil && len(t.waiting) == 0 }

// Flush sends what waits, for a caller that wants its errors now.
func (t *Tx) Flush(ctx context.Context) error {
	if len(t.waiting) == 0 && !t.closed {
		return nil
	}

	return t.flush(ctx)
}

// flush sends what waits, and BEGIN.
func (t *Tx) flush(ctx context.Context) error {
	if t.ready() && !t.closed {
		return nil
	}

	return t.SendBatch(ctx, &pgx.Batch{}).Close()
}
