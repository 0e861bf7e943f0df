package diagnosis_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"orders/db/dbtest"
	"orders/db/diagnosis"
	"orders/db/schema"
)

//go:generate go test -vet=off -run TestObjectsAreThoseOfTheMigrations . -args -update

var update = flag.Bool("update", false, "write objects.txt")

func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }

func TestObjectsAreThoseOfTheMigrations(t *testing.T) {
	t.Parallel()

	got, err := diagnosis.ListObjects(t.Context(), dbtest.Pool(t))
	if err != nil {
		t.Fatal(err)
	}

	if slices.Equal(got, diagnosis.Objects()) {
		return
	}

	if !*update {
		t.Fatal("objects.txt is out of date: run `make generate`")
	}

	if err := os.WriteFile("objects.txt", []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// healthy are facts with which nothing is wrong.
func healthy() diagnosis.Facts {
	return diagnosis.Facts{
		Program: "v1", ProgramSchema: "river 6, orders 45", DatabaseSchema: "river 6, orders 45", SameVersion: true,
		Server: "PostgreSQL 18.1", ServerNum: 180_001,
		Settings: map[string]string{
			"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "autovacuum": "on", "track_counts": "on",
			"shared_buffers": "524288", "max_wal_size": "4096", "work_mem": "8192", "track_io_timing": "on", "wal_level": "replica",
			"max_connections": "100", "superuser_reserved_connections": "3",
		},
		Processes: 4, PoolSize: 20, Objects: diagnosis.Objects(), Size: 1 << 30, Free: 100 << 30, Wraparound: 1_000,
		Role: "orders", MayCreate: true, SeesStats: true,
	}
}

func TestNothingIsWrong(t *testing.T) {
	t.Parallel()

	for _, f := range diagnosis.Examine(healthy()) {
		if f.Level != diagnosis.OK || f.Says == "" || f.Do != "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestWhatIsWrongIsFound(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name   string
		breaks func(f *diagnosis.Facts)
		level  diagnosis.Level
		do     string
	}{
		{"schema", func(f *diagnosis.Facts) { f.Mismatch = "run `orders migrate up`" }, diagnosis.Mend, "migrate up"},
		{"postgres", func(f *diagnosis.Facts) { f.ServerNum = 130_020 }, diagnosis.Mend, "14 or newer"},
		{"primary", func(f *diagnosis.Facts) { f.Standby = true }, diagnosis.Mend, "target_session_attrs"},
		{"fsync", func(f *diagnosis.Facts) { f.Settings["fsync"] = "off" }, diagnosis.Mend, "ALTER SYSTEM SET fsync = on"},
		{"full_page_writes", func(f *diagnosis.Facts) { f.Settings["full_page_writes"] = "off" }, diagnosis.Mend, "pages"},
		{"synchronous_commit", func(f *diagnosis.Facts) { f.Settings["synchronous_commit"] = "off" }, diagnosis.Mend, "lose"},
		{"autovacuum", func(f *diagnosis.Facts) { f.Settings["autovacuum"] = "off" }, diagnosis.Mend, "dead rows"},
		{"shared_buffers", func(f *diagnosis.Facts) { f.Settings["shared_buffers"] = "16384" }, diagnosis.Advice, "a quarter"},
		{"work_mem", func(f *diagnosis.Facts) { f.Settings["work_mem"] = "64" }, diagnosis.Advice, "sorts"},
		{"track_io_timing", func(f *diagnosis.Facts) { f.Settings["track_io_timing"] = "off" }, diagnosis.Advice, "slow disk"},
		{"session settings", func(f *diagnosis.Facts) { f.Session = "ALTER ROLE orders SET x = 1;" }, diagnosis.Mend, "ALTER ROLE"},
		{"max_connections", func(f *diagnosis.Facts) { f.Processes = 5 }, diagnosis.Mend, "pool_max_conns"},
		{"missing objects", func(f *diagnosis.Facts) { f.Objects = f.Objects[1:] }, diagnosis.Mend, "migrations"},
		{"invalid indexes", func(f *diagnosis.Facts) { f.Invalid = []string{"x"} }, diagnosis.Mend, "REINDEX"},
		{"disabled triggers", func(f *diagnosis.Facts) { f.Disabled = []string{"x on y"} }, diagnosis.Mend, "ENABLE TRIGGER"},
		{"clock", func(f *diagnosis.Facts) { f.Skew = -2 * time.Second }, diagnosis.Mend, "NTP"},
		{"disk", func(f *diagnosis.Facts) { f.Free = 1 << 30 }, diagnosis.Mend, "add space"},
		{"transaction ids", func(f *diagnosis.Facts) { f.Wraparound = 1_500_000_000 }, diagnosis.Mend, "VACUUM FREEZE"},
		{"pooler", func(f *diagnosis.Facts) { f.Pooled = true }, diagnosis.Mend, "ORDERS_DIRECT_URL"},
		{"orders can be placed", func(f *diagnosis.Facts) { f.Placing = "permission denied" }, diagnosis.Mend, "permission denied"},
		{"may migrate", func(f *diagnosis.Facts) { f.MayCreate = false }, diagnosis.Advice, "CREATE"},
		{"superuser", func(f *diagnosis.Facts) { f.Superuser = true }, diagnosis.Advice, "owns"},
		{"sees other sessions", func(f *diagnosis.Facts) { f.SeesStats = false }, diagnosis.Advice, "GRANT pg_read_all_stats TO orders"},
	} {
		facts := healthy()
		c.breaks(&facts)

		findings := diagnosis.Examine(facts)
		if findings[0].Name != c.name || findings[0].Level != c.level || !strings.Contains(findings[0].Do, c.do) || findings[1].Level != diagnosis.OK {
			t.Errorf("%s: %+v", c.name, findings[:2])
		}
	}
}

// What is wrong with a real database is read from it.
func TestReadSeesTheDatabase(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	levels := func() map[string]diagnosis.Finding {
		t.Helper()

		facts, err := diagnosis.Read(t.Context(), pool, "test", false)
		if err != nil {
			t.Fatal(err)
		}

		byName := map[string]diagnosis.Finding{}
		for _, f := range diagnosis.Examine(facts) {
			byName[f.Name] = f
		}

		return byName
	}

	before := levels()
	for _, name := range []string{"schema", "postgres", "primary", "missing objects", "invalid indexes", "disabled triggers", "clock", "pooler", "orders can be placed", "session settings"} {
		if before[name].Level != diagnosis.OK {
			t.Errorf("%+v", before[name])
		}
	}

	for _, sql := range []string{
		`DROP INDEX dead_letters_open_idx`,
		`ALTER TABLE river_job DISABLE TRIGGER dead_letters_keep`,
		`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'dead_letters_dead_idx'::regclass`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}

	after := levels()
	for name, says := range map[string]string{
		"missing objects": "index dead_letters_open_idx", "invalid indexes": "dead_letters_dead_idx", "disabled triggers": "dead_letters_keep on river_job",
	} {
		if after[name].Level != diagnosis.Mend || after[name].Says != says {
			t.Errorf("%+v, want %s", after[name], says)
		}
	}
}
