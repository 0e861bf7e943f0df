package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/pipeline"
)

// What is sent with COMMIT may fail there. Only if the connection is lost, the outcome is unknown.
func TestWhatFailsWithTheCommit(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		sql                  string
		arg                  any
		unknown, unavailable bool
	}{
		"the value cannot be sent":   {sql: `SELECT $1::int`, arg: int64(1) << 40},
		"there is no such table":     {sql: `INSERT INTO nowhere VALUES ($1::int)`, arg: 1},
		"the value is refused":       {sql: `SELECT 1 / $1::int`, arg: 0},
		"the statement takes long":   {sql: `SELECT pg_sleep($1::int)`, arg: 60, unavailable: true},
		"the server takes no writes": {sql: `SELECT nextval('numbers') + $1::int`, arg: 1, unavailable: true},
		"the session is ended": {
			sql: `SELECT pg_terminate_backend(pg_backend_pid()), $1::int`, arg: 1, unknown: true, unavailable: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool := numbered(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			t.Cleanup(cancel)

			err := db.InTx(ctx, pool, func(tx pgx.Tx) error {
				return errors.Join(
					pipeline.Exec(ctx, tx, "write", `INSERT INTO t SELECT`),
					pipeline.Exec(ctx, tx, "bound", `SET LOCAL statement_timeout = 500`),
					pipeline.Exec(ctx, tx, "fence", `SELECT set_config('transaction_read_only', $1, true)`, onOff(name == "the server takes no writes")),
					pipeline.Exec(ctx, tx, "fail", c.sql, c.arg),
				)
			})
			if err == nil || errors.Is(err, db.ErrCommitUnknown) != c.unknown || db.Unavailable(err) != c.unavailable {
				t.Errorf("%v; want unknown %t, unavailable %t", err, c.unknown, c.unavailable)
			}

			if n := dbtest.Count(t, pool, `SELECT count(*) FROM t`); n != 0 {
				t.Errorf("%d rows were written", n)
			}
		})
	}
}

// A statement of a caller who has time, such as an audit, is not bound by the time of a commit.
func TestAStatementMayTakeLongerThanACommit(t *testing.T) {
	t.Parallel()

	pool := numbered(t)

	holder, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if _, err := holder.Exec(t.Context(), `LOCK TABLE t`); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)

	go func() {
		done <- db.InTx(ctx, pool, func(tx pgx.Tx) error {
			return pipeline.Exec(ctx, tx, "write", `INSERT INTO t SELECT`)
		})
	}()

	for dbtest.Count(t, pool, `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass`) == 0 {
		time.Sleep(10 * time.Millisecond)
	}

	cancel() // the caller's context still bounds the statement, so its outcome is known

	if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, db.ErrCommitUnknown) {
		t.Errorf("%v, want a statement that was ended", err)
	}

	if err := holder.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
}

func numbered(t *testing.T) *pgxpool.Pool {
	t.Helper()

	pool, err := db.Open(t.Context(), dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	if _, err := pool.Exec(t.Context(), `CREATE TABLE t (); CREATE SEQUENCE numbers`); err != nil {
		t.Fatal(err)
	}

	return pool
}

func onOff(on bool) string {
	if on {
		return "on"
	}

	return "off"
}
