package main

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
)

// command runs a command in this process, and returns its exit code and all that it prints.
func command(t *testing.T, url string, args ...string) (code int, output string) {
	t.Helper()

	var out strings.Builder

	code = run(t.Context(), append([]string{"--database-url", url}, args...), &out, &out)

	return code, out.String()
}

// expect runs a command, and expects its exit code and what it says.
func expect(t *testing.T, url string, code int, says []string, args ...string) {
	t.Helper()

	got, output := command(t, url, args...)
	if got != code {
		t.Errorf("%v: exit code %d, want %d: %s", args, got, code, output)
	}

	for _, words := range says {
		if !strings.Contains(output, words) {
			t.Errorf("%v: want %q in: %s", args, words, output)
		}
	}
}

func TestMigrateDownAsksBeforeItDeletes(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	if code, output := command(t, url, "seed"); code != exitOK {
		t.Fatal(output)
	}

	// As often as it is repeated, it deletes nothing. Migrations that drop no data are reverted.
	for range 20 {
		command(t, url, "migrate", "down")
	}

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM products`); n != len(demo) {
		t.Fatalf("%d products are left", n)
	}

	expect(t, url, exitError, []string{"000001_catalogue, those of River deletes data", "table products (4 rows)", "table orders (0 rows)", "table river_job (0 rows)", "Add --yes"}, "migrate", "down", "--all")

	// A session of another program.
	other, err := db.Config(url)
	if err != nil {
		t.Fatal(err)
	}

	other.ConnConfig.RuntimeParams["application_name"] = "orders elsewhere-1-x"

	session, err := pgx.ConnectConfig(t.Context(), other.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}

	expect(t, url, exitError, []string{"programs work on this database: orders elsewhere-1-x", "--while-running"}, "migrate", "down", "--all", "--yes")
	expect(t, url, exitOK, []string{"reverted 0", "schema:  river 0, orders 0"}, "migrate", "down", "--all", "--yes", "--while-running")
	session.Close(t.Context())
	expect(t, url, exitError, []string{"there is nothing to revert"}, "migrate", "down")
	expect(t, url, exitError, []string{"there is nothing to revert"}, "migrate", "down", "--all", "--yes")
}

func TestMigrateVersionTellsWhetherTheProgramFits(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	expect(t, url, exitOK, []string{"schema:  river", "works with schema"}, "migrate", "version")
	expect(t, url, exitError, []string{"it changes no table"}, "migrate", "force", "3")
	expect(t, url, exitError, []string{"no migration 900001"}, "migrate", "force", "900001", "--yes")
	expect(t, url, exitOK, []string{"orders 3\n"}, "migrate", "force", "3", "--yes")
	expect(t, url, exitError, []string{"does not fit", "run `orders migrate up`"}, "migrate", "version")
	expect(t, url, exitError, []string{"000004_lifecycle.up.sql: ERROR: relation \"payments\" already exists"}, "migrate", "up")
	expect(t, dbtest.Empty(t), exitError, []string{"river 0, orders 0"}, "migrate", "version")
}

// fenced is an address at which all servers refuse to write, as in the middle of a failover.
func fenced(url string) string {
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}

	return url + separator + "target_session_attrs=read-write&default_transaction_read_only=on"
}

// A script tells a check that failed from a check that was not made.
func TestACommandSaysWhyItCannotReachTheDatabase(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	for address, says := range map[string]string{
		"postgres://orders:secret@127.0.0.1:1/orders":     "no Postgres listens at 127.0.0.1:1; start it",
		"postgres://orders:secret@nowhere.invalid/orders": `there is no host "nowhere.invalid"`,
		strings.Replace(url, "/test_", "/missing_", 1):    "there is no database \"missing_",
		"postgres:///orders?host=/nowhere&user=u&port=1":  "no Postgres listens at",
		fenced(url): "takes no writes; promote a standby",
	} {
		for _, args := range [][]string{{"migrate", "up"}, {"migrate", "version"}, {"audit"}, {"serve"}} {
			code, output := command(t, address, append([]string{"--listen", "127.0.0.1:0"}, args...)...)
			if code != exitUnavailable || !strings.Contains(output, says) || strings.Count(output, "\n") > 1 || strings.Contains(output, "secret") {
				t.Errorf("%v at %s: exit code %d, want one line with %q: %s", args, address, code, says, output)
			}
		}
	}
}
