package schema_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"

	"orders/db/dbtest"
	"orders/db/schema"
	"orders/migrations"
)

func TestAMigrationThatFailsLeavesNothingAndSaysWhy(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	pool := open(t, url)

	broken := migrator(t, url, map[string]string{
		"900001_broken.up.sql":   "CREATE TABLE half (n int);\n\nSELECT nonsense;\n",
		"900001_broken.down.sql": "DROP TABLE half;",
	})

	err := broken.Up(t.Context())
	if err == nil || !strings.Contains(err.Error(), `900001_broken.up.sql, line 3: ERROR: column "nonsense" does not exist`) || strings.Contains(err.Error(), "CREATE TABLE") {
		t.Errorf("%v, want the file, the line and the cause", err)
	}

	if dbtest.Count(t, pool, `SELECT count(*) FROM pg_class WHERE relname = 'half'`) > 0 {
		t.Error("half of it was applied")
	}

	mismatch(t, pool, "") // it is where it was, and not dirty

	mended := migrator(t, url, map[string]string{"900001_broken.up.sql": "CREATE TABLE half (n int);", "900001_broken.down.sql": "DROP TABLE missing;"})
	if err := mended.Up(t.Context()); err != nil {
		t.Error(err)
	}

	if err := mended.Down(t.Context(), false, yes); err == nil || !strings.Contains(err.Error(), "900001_broken.down.sql: ERROR: table") {
		t.Errorf("down: %v", err)
	}
}

// What waits for a lock makes later statements wait. A migration does so for a moment only.
func TestAMigrationGivesWay(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	pool := open(t, url)

	reader, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback(context.WithoutCancel(t.Context()))

	if _, err := reader.Exec(t.Context(), `SELECT FROM orders`); err != nil {
		t.Fatal(err)
	}

	done := make(chan error, 1)
	up := migrator(t, url, map[string]string{"900001_expand.up.sql": expandUp, "900001_expand.down.sql": expandDown})

	go func() { done <- up.Up(context.WithoutCancel(t.Context())) }()

	for dbtest.Count(t, pool, `SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND NOT granted`) == 0 {
		time.Sleep(10 * time.Millisecond)
	}

	// It waits behind the migration, and ends although the reader does not.
	if _, err := pool.Exec(t.Context(), `SELECT FROM orders`); err != nil {
		t.Fatal(err)
	}

	if err := reader.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A signal ends each wait.
func TestAMigrationEndsWithItsContext(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	pool := open(t, url)

	cancelled := errors.New("a signal")
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(t.Context()))
	sleeps := migrator(t, url, map[string]string{"900001_sleeps.up.sql": `SELECT pg_sleep(3600);`, "900001_sleeps.down.sql": ``})
	done := make(chan error, 2)

	run := func() { done <- sleeps.Up(ctx) }
	go run()

	for dbtest.Count(t, pool, `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()`) == 0 {
		time.Sleep(10 * time.Millisecond)
	}

	go run() // it waits for the first one

	cancel(cancelled)

	for range 2 {
		if err := <-done; err == nil {
			t.Error("no error")
		}
	}

	mismatch(t, pool, "")
}

func TestAnIndexIsBuiltConcurrently(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	pool := open(t, url)

	const header = "-- runs outside a transaction, and may run twice\n"

	concurrently := migrator(t, url, map[string]string{
		"900001_index.up.sql":   header + "DROP INDEX CONCURRENTLY IF EXISTS orders_colour_idx;\nCREATE INDEX CONCURRENTLY orders_colour_idx ON orders (currency);\n",
		"900001_index.down.sql": header + "DROP INDEX CONCURRENTLY IF EXISTS orders_colour_idx;\n",
	})

	for range 2 {
		if err := concurrently.Up(t.Context()); err != nil {
			t.Fatal(err)
		}

		if dbtest.Count(t, pool, `SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid = 'orders_colour_idx'::regclass`) != 1 {
			t.Error("no valid index")
		}

		// As after a kill between the index and its record.
		if _, err := pool.Exec(t.Context(), `DELETE FROM orders_migrations WHERE version = 900001`); err != nil {
			t.Fatal(err)
		}
	}

	if err := concurrently.Up(t.Context()); err != nil {
		t.Fatal(err)
	}

	if err := concurrently.Down(t.Context(), false, yes); err != nil {
		t.Fatal(err)
	}
}

// A file that cannot be in a transaction says so, and can run twice.
func TestMigrationsAreTransactionsOrRepeatable(t *testing.T) {
	t.Parallel()

	files, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}

	for _, file := range files {
		data, err := fs.ReadFile(migrations.Files, file)
		if err != nil {
			t.Fatal(err)
		}

		for _, mistake := range schema.Mistakes(string(data)) {
			t.Errorf("%s: %s", file, mistake)
		}
	}

	for sql, mistakes := range map[string]int{
		"SELECT 1;": 0,
		"-- breaks programs before 15\nSELECT 1;":                                                                                       0,
		"-- breaks programs older than 15\nSELECT 1;":                                                                                   1,
		"-- Programs work without it.\nSELECT 1;":                                                                                       1,
		"CREATE INDEX CONCURRENTLY a ON b (c);":                                                                                         1,
		"-- runs outside a transaction, and may run twice\nCREATE INDEX CONCURRENTLY a ON b (c);":                                       1,
		"-- runs outside a transaction, and may run twice\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a ON b (c);":                         1, // an invalid one would stay
		"-- runs outside a transaction, and may run twice\nDROP INDEX CONCURRENTLY IF EXISTS a;":                                        0,
		"-- runs outside a transaction, and may run twice\nDROP INDEX CONCURRENTLY IF EXISTS a;\nCREATE INDEX CONCURRENTLY a ON b (c);": 0,
		"DROP TABLE a;\nDROP TABLE IF EXISTS b;\nALTER TABLE c\n\tDROP COLUMN d,\n\tDROP COLUMN e;":                                     0,
		"DROP TABLE a, b;": 1,
		"drop table a;":    1,
		"ALTER TABLE IF EXISTS ONLY a DROP COLUMN b;":      0,
		"DO $$ BEGIN ALTER TABLE a DROP COLUMN b; END $$;": 1,
		"DO $$ BEGIN DROP TABLE a; END $$;":                1,
		"BEGIN;\nSELECT 1;\nCOMMIT;":                       1,
	} {
		if got := schema.Mistakes(sql); len(got) != mistakes {
			t.Errorf("%s\n%q, want %d mistakes", sql, got, mistakes)
		}
	}
}

func TestARoleThatMayNotCreateIsToldWhatToGrant(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)
	pool := open(t, url)
	role := pool.Config().ConnConfig.Database + "_role"

	exec := func(sql string) {
		t.Helper()

		if _, err := pool.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
			t.Fatal(err)
		}
	}

	exec(`CREATE ROLE ` + role)
	exec(`REVOKE CREATE ON SCHEMA public FROM PUBLIC`)
	t.Cleanup(func() { exec(`DROP OWNED BY ` + role); exec(`DROP ROLE ` + role) })

	as := url + map[bool]string{true: "&", false: "?"}[strings.Contains(url, "?")] + "options=-c%20role%3D" + role
	grant := `GRANT CREATE ON SCHEMA "public" TO "` + role + `"`

	if err := schema.Up(t.Context(), as); err == nil || !strings.Contains(err.Error(), grant) {
		t.Fatalf("%v, want an error that says %s", err, grant)
	}

	exec(grant)

	if err := schema.Up(t.Context(), as); err != nil {
		t.Errorf("after the grant: %v", err)
	}

	// What is up to date needs no privilege.
	exec(`REVOKE CREATE ON SCHEMA public FROM ` + role)

	if err := schema.Up(t.Context(), as); err != nil {
		t.Errorf("up to date: %v", err)
	}

	exec(`DROP TABLE orders_migrations`)

	forced := schema.Migrator{URL: as, Log: slog.New(slog.DiscardHandler)}.Force(t.Context(), 1)
	if forced == nil || !strings.Contains(forced.Error(), grant) {
		t.Errorf("force: %v, want an error that says %s", forced, grant)
	}

	exec(`REVOKE USAGE ON SCHEMA public FROM PUBLIC, ` + role)

	if err := schema.Up(t.Context(), as); err == nil || !strings.Contains(err.Error(), "may use no schema") {
		t.Errorf("without a schema: %v", err)
	}

	if err := schema.Check(t.Context(), open(t, as)); err == nil || !strings.Contains(err.Error(), "may use no schema") {
		t.Errorf("check without a schema: %v", err)
	}
}
