package schema_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/dbtest"
	"orders/db/schema"
)

// lastOfOldTable is the last version that was in schema_migrations.
const lastOfOldTable = 14

const oldTable = `CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);`

// versionWith reads the version after SQL that is rolled back.
func versionWith(t *testing.T, pool *pgxpool.Pool, sql string) (uint, error) {
	t.Helper()

	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))

	if _, err := tx.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}

	version, err := schema.VersionOf(t.Context(), tx)

	return version.Orders, err
}

func TestTheVersionIsThatOfTheOldTableIfItIsOurs(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)
	pool := open(t, url)

	if err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}

	const (
		lost = -1 // nothing says the version
		drop = `DROP TABLE orders_migrations;` + oldTable
	)

	rows := map[int]map[string]int{
		14: {`(14, false)`: 14, `(14, true)`: 14, `(13, true)`: 14, `(7, false)`: lost, `(13, false)`: lost, `(20260101, false)`: lost, ``: lost},
		13: {`(13, false)`: 13, `(14, true)`: 13, `(14, false)`: lost},
		12: {`(12, false)`: 12, `(13, true)`: lost}, // 12 or 13
		1:  {`(1, false)`: 1, `(1, true)`: 1, `(2, true)`: 1, `(0, true)`: lost},
	}

	for {
		at, err := schema.VersionOf(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}

		if at.Orders == 0 {
			break
		}

		cases := rows[int(at.Orders)]
		if cases == nil && at.Orders <= lastOfOldTable {
			cases = map[string]int{fmt.Sprintf(`(%d, false)`, at.Orders): int(at.Orders)}
		}

		for row, want := range cases {
			sql := drop
			if row != "" {
				sql += `INSERT INTO schema_migrations VALUES ` + row
			}

			got, err := versionWith(t, pool, sql)

			switch {
			case want == lost && (err == nil || !strings.Contains(err.Error(), "orders migrate force")):
				t.Errorf("at %d, with %q: %d, %v; want an error that says what to do", at.Orders, row, got, err)
			case want != lost && (err != nil || int(got) != want):
				t.Errorf("at %d, with %q: %d, %v; want %d", at.Orders, row, got, err, want)
			}
		}

		if err := down(t.Context(), url, false); err != nil {
			t.Fatal(err)
		}
	}
}

// Another application has a table of that name, with a number that ours could be.
func TestANeighboursTableStaysAsItIs(t *testing.T) {
	t.Parallel()

	for _, table := range []string{
		oldTable + `INSERT INTO schema_migrations VALUES (7, false)`,
		oldTable + `INSERT INTO schema_migrations VALUES (14, true)`,
		`CREATE TABLE schema_migrations (version text PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20260101')`,
	} {
		url := dbtest.Empty(t)
		pool := open(t, url)

		if _, err := pool.Exec(t.Context(), table, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}

		const read = `SELECT to_jsonb(s)::text || coalesce(obj_description('schema_migrations'::regclass), '') FROM schema_migrations AS s`

		var before, after string
		if err := pool.QueryRow(t.Context(), read).Scan(&before); err != nil {
			t.Fatal(err)
		}

		for _, do := range []func() error{
			func() error { return schema.Up(t.Context(), url) },
			func() error { return schema.Check(t.Context(), pool) },
			func() error { return down(t.Context(), url, true) },
		} {
			if err := do(); err != nil {
				t.Fatal(err)
			}

			if err := pool.QueryRow(t.Context(), read).Scan(&after); err != nil || after != before {
				t.Errorf("its row is %s, %v; want %s", after, err, before)
			}
		}
	}
}

// Programs of the first release read the old table, and want exactly 14. So it stays until
// the schema is older.
func TestTheOldTableStaysForProgramsThatReadIt(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)
	pool := open(t, url)

	if err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}

	for dbtest.Count(t, pool, `SELECT max(version) FROM orders_migrations`) > lastOfOldTable {
		if err := down(t.Context(), url, false); err != nil {
			t.Fatal(err)
		}
	}

	_, err := pool.Exec(t.Context(), `DROP TABLE orders_migrations;`+oldTable+`INSERT INTO schema_migrations VALUES (14, false)`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}

	for range 2 {
		if err := schema.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}

		if got := dbtest.Count(t, pool, `SELECT version FROM schema_migrations WHERE NOT dirty`); got != lastOfOldTable {
			t.Errorf("the old table says %d", got)
		}
	}

	mismatch(t, pool, "")

	for dbtest.Count(t, pool, `SELECT max(version) FROM orders_migrations`) >= lastOfOldTable {
		if got := dbtest.Count(t, pool, `SELECT version FROM schema_migrations WHERE NOT dirty`); got != lastOfOldTable {
			t.Errorf("on the way down, the old table says %d", got)
		}

		if err := down(t.Context(), url, false); err != nil {
			t.Fatal(err)
		}
	}

	if dbtest.Count(t, pool, `SELECT count(*) FROM pg_class WHERE relname = 'schema_migrations'`) > 0 {
		t.Error("the old table still says 14, and the schema is older")
	}
}

// A neighbour's tables may have names of ours. Nothing of them is ours, whatever their version.
func TestANeighboursTablesAreNotTakenForOurs(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)
	pool := open(t, url)

	_, err := pool.Exec(t.Context(), oldTable+`INSERT INTO schema_migrations VALUES (1, false); CREATE TABLE products ()`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}

	for do, err := range map[string]error{
		"check": schema.Check(t.Context(), pool), "up": schema.Up(t.Context(), url), "down": down(t.Context(), url, true),
	} {
		if err == nil || !strings.Contains(err.Error(), "use another database") {
			t.Errorf("%s: %v", do, err)
		}
	}

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM pg_class WHERE relname IN ('schema_migrations', 'products', 'orders_migrations')`); n != 2 {
		t.Errorf("%d tables, want the neighbour's two", n)
	}
}

func TestForceRecordsAVersion(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)
	pool := open(t, url)

	if err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}

	newest := dbtest.Count(t, pool, `SELECT max(version) FROM orders_migrations`)

	if _, err := pool.Exec(t.Context(), `DROP TABLE orders_migrations`); err != nil {
		t.Fatal(err)
	}

	for _, version := range []int{newest, 3, 0, newest} {
		if err := migrator(t, url, nil).Force(t.Context(), uint(version)); err != nil {
			t.Fatal(err)
		}

		if at, err := schema.VersionOf(t.Context(), pool); err != nil || int(at.Orders) != version {
			t.Errorf("forced %d: %+v, %v", version, at, err)
		}
	}

	if err := migrator(t, url, nil).Force(t.Context(), 900001); err == nil || !strings.Contains(err.Error(), "no migration 900001") {
		t.Errorf("of a version that there is not: %v", err)
	}

	mismatch(t, pool, "")
}
