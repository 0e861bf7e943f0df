package schema_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/dbtest"
	"orders/db/schema"
	"orders/migrations"
)

// newer are the migrations of a newer program: ours and some more.
func newer(t *testing.T, more map[string]string) fs.FS {
	t.Helper()

	files := fstest.MapFS{}

	err := fs.WalkDir(migrations.Files, ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}

		data, err := fs.ReadFile(migrations.Files, path)
		files[path] = &fstest.MapFile{Data: data}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	for name, sql := range more {
		files[name] = &fstest.MapFile{Data: []byte(sql)}
	}

	return files
}

// migrator has our migrations and some more.
func migrator(t *testing.T, url string, more map[string]string) schema.Migrator {
	t.Helper()

	return schema.Migrator{URL: url, Log: slog.New(slog.DiscardHandler), Files: newer(t, more)}
}

const (
	expandUp   = `ALTER TABLE orders ADD COLUMN colour text;`
	expandDown = `ALTER TABLE orders DROP COLUMN colour;`
)

// yes confirms each way down.
func yes(schema.Reversal) error { return nil }

// mismatch checks the schema. It expects no error, or one that says what to do.
func mismatch(t *testing.T, pool *pgxpool.Pool, hint string) {
	t.Helper()

	err := schema.Check(t.Context(), pool)
	if hint == "" && err != nil || hint != "" && (!errors.Is(err, schema.ErrMismatch) || !strings.Contains(err.Error(), hint)) {
		t.Errorf("%v, want an ErrMismatch that says %q", err, hint)
	}
}

func TestAProgramWorksWithNewerSchemasUnlessTheyBreakIt(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)
	pool := open(t, url)

	mismatch(t, pool, "orders migrate up") // empty

	expand := map[string]string{"900001_expand.up.sql": expandUp, "900001_expand.down.sql": expandDown}
	contract := maps.Clone(expand)
	contract["900002_contract.up.sql"] = "-- It drops what nothing reads.\n-- breaks programs before 900001\nDROP VIEW order_jobs;\n"
	contract["900002_contract.down.sql"] = `CREATE VIEW order_jobs AS SELECT 1;`

	for _, step := range []struct {
		do   func(context.Context) error
		hint string
	}{
		{migrator(t, url, nil).Up, ""},
		{migrator(t, url, expand).Up, ""},
		{migrator(t, url, nil).Up, ""}, // of a program that was rolled back: nothing to do
		{migrator(t, url, contract).Up, "needs programs from 900001 on"},
		{func(ctx context.Context) error { return migrator(t, url, contract).Down(ctx, false, yes) }, ""},
		{func(ctx context.Context) error { return migrator(t, url, expand).Down(ctx, false, yes) }, ""},
		{func(ctx context.Context) error { return migrator(t, url, nil).Down(ctx, false, yes) }, "orders migrate up"},
	} {
		if err := step.do(t.Context()); err != nil {
			t.Fatal(err)
		}

		mismatch(t, pool, step.hint)
	}

	// An older program neither migrates nor reverts what it does not know.
	if err := migrator(t, url, contract).Up(t.Context()); err != nil {
		t.Fatal(err)
	}

	if err := migrator(t, url, nil).Up(t.Context()); !errors.Is(err, schema.ErrMismatch) {
		t.Errorf("up to a schema that it cannot work with: %v", err)
	}

	if err := down(t.Context(), url, false); err == nil || !strings.Contains(err.Error(), "revert it with the program that has its migrations") {
		t.Errorf("down: %v", err)
	}
}

// River's own check fails for a version that it does not know.
func TestAProgramWorksWithANewerRiver(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	if _, err := pool.Exec(t.Context(), `INSERT INTO river_migration (line, version) VALUES ('main', 999)`); err != nil {
		t.Fatal(err)
	}

	mismatch(t, pool, "")

	if _, err := pool.Exec(t.Context(), `DELETE FROM river_migration WHERE version >= (SELECT max(version) FROM river_migration WHERE version < 999)`); err != nil {
		t.Fatal(err)
	}

	mismatch(t, pool, "orders migrate up")
}

func TestADatabaseThatIsNotUTF8IsRefused(t *testing.T) {
	t.Parallel()

	admin := open(t, dbtest.Empty(t))
	name := admin.Config().ConnConfig.Database + "_ascii"

	if _, err := admin.Exec(t.Context(), `CREATE DATABASE `+name+` ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { admin.Exec(context.WithoutCancel(t.Context()), `DROP DATABASE `+name+` WITH (FORCE)`) })

	url := strings.Replace(admin.Config().ConnString(), strings.TrimSuffix(name, "_ascii"), name, 1)

	const refusal = "is SQL_ASCII, and orders needs UTF8"

	if err := schema.Up(t.Context(), url); err == nil || !strings.Contains(err.Error(), refusal) {
		t.Errorf("migrate up: %v", err)
	}

	// As if a dump had been restored into it.
	restored := open(t, url)

	program, err := schema.ProgramVersion()
	if err != nil {
		t.Fatal(err)
	}

	for sql, version := range map[string]int{
		`CREATE TABLE river_migration AS SELECT $1::bigint AS version`:                               program.River,
		`CREATE TABLE orders_migrations AS SELECT $1::bigint AS version, 0::bigint AS breaks_before`: int(program.Orders),
	} {
		if _, err := restored.Exec(t.Context(), strings.ReplaceAll(sql, "$1", strconv.Itoa(version))); err != nil {
			t.Fatal(err)
		}
	}

	if err := schema.Check(t.Context(), restored); err == nil || !strings.Contains(err.Error(), refusal) {
		t.Errorf("a program's start: %v", err)
	}
}
