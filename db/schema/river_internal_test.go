package schema

import (
	"fmt"
	"io/fs"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"orders/db/dbtest"
)

// nextRiver is a River with a migration that alters columns which views and triggers of
// ours read.
type nextRiver struct{ *riverpgxv5.Driver }

func (r nextRiver) GetMigrationFS(line string) fs.FS {
	next := fstest.MapFS{}
	now := r.Driver.GetMigrationFS(line)

	_ = fs.WalkDir(now, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			data, _ := fs.ReadFile(now, path)
			next[path] = &fstest.MapFile{Data: data}
		}

		return err
	})

	newest, _ := newestOfRiver(r.Driver)
	name := fmt.Sprintf("migration/main/%03d_next", newest+1)
	next[name+".up.sql"] = &fstest.MapFile{Data: []byte(`
		ALTER TABLE /* TEMPLATE: schema */river_job ALTER COLUMN priority TYPE int;
		ALTER TABLE /* TEMPLATE: schema */river_job ALTER COLUMN queue TYPE varchar(100);
		ALTER TABLE /* TEMPLATE: schema */river_job ALTER COLUMN queue TYPE text;`)}
	next[name+".down.sql"] = &fstest.MapFile{Data: []byte(`SELECT 1`)}

	return next
}

func TestRiverMayAlterItsTables(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())

	if _, err := conn.Exec(t.Context(), `GRANT SELECT ON live_jobs TO PUBLIC; GRANT SELECT ON open_steps TO pg_monitor`); err != nil {
		t.Fatal(err)
	}

	before := dumped(t, url)
	driver := nextRiver{riverpgxv5.New(pool)}

	river, err := newRiver(driver)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := river.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err == nil {
		t.Fatal("nothing of ours depends on the columns: the test shows nothing")
	}

	if err := riverUp(t.Context(), conn, driver); err != nil {
		t.Fatal(err)
	}

	after := dumped(t, url)
	if want := strings.Replace(before, "priority smallint DEFAULT 1", "priority integer DEFAULT 1", 1); after != want || after == before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func dumped(t *testing.T, url string) string {
	t.Helper()

	out, err := exec.CommandContext(t.Context(), "pg_dump", "--schema-only", "--dbname", url).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}

	return regexp.MustCompile(`(?m)^\\(un)?restrict .*$`).ReplaceAllString(string(out), "")
}

// A program works with schemas from its newest migration on that it cannot do without.
func TestAProgramSaysWithWhichSchemasItWorks(t *testing.T) {
	t.Parallel()

	files := fstest.MapFS{}
	for name, up := range map[string]string{
		"000001_a": "SELECT 1;",
		"000002_b": "-- breaks programs before 2\nSELECT 1;",
		"000003_c": "-- An index.\n-- programs work without it\nSELECT 1;",
	} {
		files[name+".up.sql"] = &fstest.MapFile{Data: []byte(up)}
		files[name+".down.sql"] = &fstest.MapFile{Data: []byte("SELECT 1;")}
	}

	all, err := readMigrations(files)
	if err != nil {
		t.Fatal(err)
	}

	p, err := programOf(all)
	if err != nil || p.Orders != 3 || p.Oldest != 2 || all[1].breaksBefore != 2 {
		t.Errorf("%+v, %v", p, err)
	}

	for orders, fits := range map[uint]bool{1: false, 2: true, 3: true, 4: true} {
		if err := p.Fits(Database{River: p.River, Orders: orders, Oldest: 3}); (err == nil) != fits {
			t.Errorf("schema %d: %v", orders, err)
		}
	}

	if p.Fits(Database{River: p.River, Orders: 9, Oldest: 4}) == nil {
		t.Error("it works with a schema that needs newer programs")
	}
}
