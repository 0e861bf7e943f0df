package db_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
)

// A server that refuses a write has been demoted. No connection to it is used again.
func TestARefusedWriteMakesThePoolConnectAnew(t *testing.T) {
	t.Parallel()

	pool, err := db.Open(t.Context(), dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	before := sessions(t, pool, `SET default_transaction_read_only = on`)

	if _, err := pool.Exec(t.Context(), `CREATE TABLE t ()`); !db.Unavailable(err) {
		t.Fatalf("a write on a read-only session: %v", err)
	}

	for pid := range sessions(t, pool, `SELECT 1`) {
		if before[pid] {
			t.Errorf("session %d is used again", pid)
		}
	}

	if _, err := pool.Exec(t.Context(), `CREATE TABLE t ()`); err != nil {
		t.Errorf("a write on a new session: %v", err)
	}
}

func TestAReadOnlyDatabaseIsNotReady(t *testing.T) {
	t.Parallel()

	pool, err := db.Open(t.Context(), dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	sessions(t, pool, `SET default_transaction_read_only = on`)

	if err := db.CheckWritable(t.Context(), pool); !errors.Is(err, db.ErrReadOnly) || !db.Unavailable(err) {
		t.Errorf("check of a read-only server: %v", err)
	}

	if err := db.CheckWritable(t.Context(), pool); err != nil {
		t.Errorf("check after it has connected anew: %v", err)
	}
}

// sessions runs sql in three sessions of the pool and returns their processes.
func sessions(t *testing.T, pool *pgxpool.Pool, sql string) map[uint32]bool {
	t.Helper()

	pids := map[uint32]bool{}

	for range 3 {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()

		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}

		pids[conn.Conn().PgConn().PID()] = true
	}

	return pids
}
