// Package dbtest gives tests real Postgres databases. A machine without Postgres fails the tests; it
// never skips them.
//
//	func TestMain(m *testing.M) { dbtest.Main(m, db.Migrate) }
//
//	func TestPlace(t *testing.T) {
//		t.Parallel()
//		pool := dbtest.Pool(t)
//
// Each test has a database of its own, copied from a template that is migrated once per process.
// The server is a private one, or that of ORDERS_TEST_DATABASE_URL, whose role must be a superuser.
package dbtest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// tests is the one server of this test process; Main sets it.
var tests *server

// Main runs a package's tests and removes what they made. migrate brings a new database to the
// current schema; it is injected because the package that migrates is itself tested with dbtest.
// Without it the template is empty.
func Main(m *testing.M, migrate func(ctx context.Context, url string) error) {
	os.Exit(Run(m, migrate))
}

// Run is Main for a package that has something of its own to remove: it returns the exit code.
func Run(m *testing.M, migrate func(ctx context.Context, url string) error) int {
	tests = newServer(migrate)
	code := m.Run()
	if err := tests.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		code = max(code, 1)
	}
	return code
}

// URL gives the test a migrated database of its own, dropped when the test ends.
func URL(tb testing.TB) string {
	tb.Helper()
	return create(tb, (*server).migrated)
}

// Empty gives the test an empty database of its own, dropped when the test ends.
func Empty(tb testing.TB) string {
	tb.Helper()
	return create(tb, (*server).empty)
}

// Pool gives the test a pool on a migrated database of its own.
func Pool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(tb.Context(), URL(tb))
	if err != nil {
		tb.Fatalf("dbtest: open pool: %v", err)
	}
	tb.Cleanup(func() { closePool(tb, pool) })
	return pool
}

// Open is [Pool] for an example, which has no testing.TB; drop removes the database.
func Open(ctx context.Context) (pool *pgxpool.Pool, drop func(), err error) {
	name, err := tests.migrated(ctx)
	if err != nil {
		return nil, nil, err
	}
	if pool, err = pgxpool.New(ctx, tests.url(name)); err != nil {
		return nil, nil, fmt.Errorf("open pool: %w", err)
	}
	return pool, func() {
		pool.Close()
		if err := tests.drop(ctx, name); err != nil {
			fmt.Fprintln(os.Stderr, "dbtest:", err)
		}
	}, nil
}

func create(tb testing.TB, newDatabase func(*server, context.Context) (string, error)) string {
	tb.Helper()
	if tests == nil {
		tb.Fatal("dbtest: the package's TestMain does not call dbtest.Main")
	}
	name, err := newDatabase(tests, tb.Context())
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	tb.Cleanup(func() {
		if err := tests.drop(context.WithoutCancel(tb.Context()), name); err != nil {
			tb.Errorf("dbtest: %v", err)
		}
	})
	return tests.url(name)
}

// closePool does not wait forever for a connection that the test never gave back, often because it
// failed in between.
func closePool(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		tb.Error("dbtest: the test leaves a connection of its pool acquired")
	}
}
