package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/pipeline"
)

// setup gives a connection to a database of its own, and counts what it sends.
func setup(t *testing.T) (*pgx.Conn, *dbtest.Counter) {
	t.Helper()

	config, err := db.Config(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	counter := dbtest.CountOn(config)

	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(conn.Release)

	return conn.Conn(), counter
}

const (
	insert = `INSERT INTO t SELECT n FROM unnest($1::int[]) AS i (n)`
	sum    = `SELECT coalesce(sum(n), 0)::int FROM t`
)

func sumOf(t *testing.T, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (n int) {
	t.Helper()

	if err := q.QueryRow(t.Context(), sum).Scan(&n); err != nil {
		t.Fatal(err)
	}

	return n
}

// What is read sees what was sent before, and all is sent when it must be.
func TestStatementsAreSentInOrderAndTogether(t *testing.T) {
	t.Parallel()

	conn, counter := setup(t)

	for _, warm := range []bool{false, true} { // the first time, the statements are prepared
		if _, err := conn.Exec(t.Context(), `TRUNCATE t`); err != nil {
			t.Fatal(err)
		}

		counter.Reset()

		tx := pipeline.Begin(conn)

		for _, n := range []int{1, 2} {
			if err := pipeline.Exec(t.Context(), tx, "insert", insert, []int{n}); err != nil {
				t.Fatal(err)
			}
		}

		if n := sumOf(t, tx); n != 3 { // BEGIN, two inserts and the query: one round trip
			t.Errorf("the sum is %d, want 3", n)
		}

		rows, err := pipeline.Later(tx, "insert").Query(t.Context(), insert, []int{4})
		if err != nil {
			t.Fatal(err)
		}

		if list, err := pgx.CollectRows(rows, pgx.RowTo[int]); err != nil || len(list) != 0 {
			t.Errorf("a query that waits returned %v, %v", list, err)
		}

		if err := tx.Commit(t.Context()); err != nil { // an insert and COMMIT: one round trip
			t.Fatal(err)
		}

		if n := counter.RoundTrips(); warm && n != 2 {
			t.Errorf("%d round trips, want 2", n)
		}

		if n := sumOf(t, conn); n != 7 {
			t.Errorf("the sum is %d, want 7", n)
		}

		if err := tx.Commit(t.Context()); !errors.Is(err, pgx.ErrTxClosed) {
			t.Errorf("a second commit: %v", err)
		}
	}
}

// The error of a statement that waited says what was being done. Nothing is kept, and the
// connection can be used again.
func TestTheErrorOfAStatementThatWaited(t *testing.T) {
	t.Parallel()

	for name, next := range map[string]func(ctx context.Context, tx *pipeline.Tx) error{
		"at a query": func(ctx context.Context, tx *pipeline.Tx) error {
			rows, err := tx.Query(ctx, sum)
			if err == nil {
				_, err = pgx.CollectRows(rows, pgx.RowTo[int])
			}

			return err
		},
		"at a query of one row": func(ctx context.Context, tx *pipeline.Tx) error {
			var n int

			return tx.QueryRow(ctx, sum).Scan(&n)
		},
		"at a statement":           func(ctx context.Context, tx *pipeline.Tx) error { return dbtest.Err(tx.Exec(ctx, insert, []int{9})) },
		"at a nested transaction":  func(ctx context.Context, tx *pipeline.Tx) error { return dbtest.Err(tx.Begin(ctx)) },
		"at a copy":                copyInto,
		"at the commit":            func(ctx context.Context, tx *pipeline.Tx) error { return tx.Commit(ctx) },
		"at a batch":               sendBatch,
		"at a prepared statement":  func(ctx context.Context, tx *pipeline.Tx) error { return dbtest.Err(tx.Prepare(ctx, "x", sum)) },
		"at the first of its kind": func(ctx context.Context, tx *pipeline.Tx) error { return dbtest.Err(tx.Exec(ctx, `SELECT 1`)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			conn, _ := setup(t)
			tx := pipeline.Begin(conn)

			for _, ns := range [][]int{{1}, {2, 2}, {3}} {
				if err := pipeline.Exec(t.Context(), tx, "insert twice", insert, ns); err != nil {
					t.Fatal(err)
				}
			}

			err := next(t.Context(), tx)

			if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "23505" || !strings.HasPrefix(err.Error(), "insert twice: ") {
				t.Errorf("%v, want the error of the insert", err)
			}

			if err := tx.Rollback(t.Context()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
				t.Error(err)
			}

			if n := sumOf(t, conn); n != 0 || conn.PgConn().TxStatus() != 'I' {
				t.Errorf("the sum is %d, the status %c", n, conn.PgConn().TxStatus())
			}
		})
	}
}

// pgx prepares all that it sends before it sends any of it. An error then is that of the statement it cannot send.
func TestTheErrorOfAStatementThatCannotBeSent(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct{ sql, want string }{
		"that waited":   {sql: `INSERT INTO nowhere VALUES (1)`, want: "second: "},
		"that was read": {sql: `SELECT 1`, want: "error preprocessing batch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			conn, _ := setup(t)
			tx := pipeline.Begin(conn)

			if err := errors.Join(
				pipeline.Exec(t.Context(), tx, "first", insert, []int{1}),
				pipeline.Exec(t.Context(), tx, "second", c.sql),
			); err != nil {
				t.Fatal(err)
			}

			var n int
			if err := tx.QueryRow(t.Context(), `SELECT n FROM nothing`).Scan(&n); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func copyInto(ctx context.Context, tx *pipeline.Tx) error {
	return dbtest.Err(tx.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"n"}, pgx.CopyFromRows([][]any{{9}})))
}

func sendBatch(ctx context.Context, tx *pipeline.Tx) error {
	b := &pgx.Batch{}
	b.Queue(sum)

	return tx.SendBatch(ctx, b).Close()
}

// A transaction that fails in its first round trip, or sends nothing, leaves the connection in order.
func TestATransactionThatDoesNothing(t *testing.T) {
	t.Parallel()

	conn, counter := setup(t)
	counter.Reset()

	if err := pipeline.Begin(conn).Commit(t.Context()); err != nil {
		t.Error(err)
	}

	if err := pipeline.Begin(conn).Rollback(t.Context()); err != nil {
		t.Error(err)
	}

	if n := counter.Statements(); n != 0 {
		t.Errorf("%d statements were sent", n)
	}

	tx := pipeline.Begin(conn)

	var n int
	if err := tx.QueryRow(t.Context(), `SELECT n FROM t`).Scan(&n); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("%v, want no rows", err)
	}

	if err := tx.QueryRow(t.Context(), `SELECT 1/0`).Scan(&n); err == nil {
		t.Error("1/0 is a number")
	}

	if err := tx.Commit(t.Context()); !errors.Is(err, pgx.ErrTxCommitRollback) {
		t.Errorf("the commit of a transaction that failed: %v", err)
	}

	if err := pipeline.Begin(conn).QueryRow(t.Context(), `SELECT 1/0`).Scan(&n); err == nil {
		t.Error("1/0 is a number")
	}
}

// In a nested transaction nothing waits: its error is its own.
func TestNothingWaitsInANestedTransaction(t *testing.T) {
	t.Parallel()

	conn, _ := setup(t)
	tx := pipeline.Begin(conn)

	if err := pipeline.Exec(t.Context(), tx, "insert", insert, []int{1}); err != nil {
		t.Fatal(err)
	}

	err := pgx.BeginFunc(t.Context(), tx, func(nested pgx.Tx) error {
		return pipeline.Exec(t.Context(), pipeline.Later(nested, "insert"), "insert", insert, []int{1})
	})
	if err == nil {
		t.Error("the same row was inserted twice")
	}

	if err := tx.Commit(t.Context()); err != nil || sumOf(t, conn) != 1 {
		t.Errorf("%v", err)
	}
}
