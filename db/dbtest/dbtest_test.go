package dbtest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orders/db/dbtest"
)

func TestPool(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"first", "second", "third"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.Pool(t)
			if _, err := pool.Exec(t.Context(), `INSERT INTO notes (body) VALUES ($1)`, name); err != nil {
				t.Fatal(err)
			}
			var bodies []string
			err := pool.QueryRow(t.Context(), `SELECT array_agg(body) FROM notes`).Scan(&bodies)
			if err != nil || len(bodies) != 1 || bodies[0] != name {
				t.Errorf("notes = %q, %v; want only %q", bodies, err, name)
			}
			if n := migrations.Load(); n != 1 {
				t.Errorf("migrated %d times, want once", n)
			}
		})
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	var tables int
	err := connect(t, dbtest.Empty(t)).QueryRow(t.Context(), `
		SELECT count(*)
		FROM pg_class
		WHERE relnamespace = 'public'::regnamespace`).Scan(&tables)
	if err != nil || tables != 0 {
		t.Errorf("%d tables, %v; want none", tables, err)
	}
}

func TestURLEndsWithTest(t *testing.T) { //nolint:tparallel // its subtest ends before the check
	t.Parallel()
	var url string
	t.Run("test", func(t *testing.T) {
		url = dbtest.URL(t)
		connect(t, url) // and stays connected: that must not keep the database from being dropped
	})
	_, err := pgx.Connect(t.Context(), url)
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != pgerrcode.InvalidCatalogName {
		t.Errorf("connect after the test: %v, want no such database", err)
	}
}

// connect never closes: dropping the database does.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.WithoutCancel(t.Context()), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
