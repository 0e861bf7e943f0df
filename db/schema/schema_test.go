package schema_test

import (
	"context"
	"io/fs"
	"log/slog"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/schema"
	"orders/migrations"
)

func TestMigrateUpDownUpLeavesTheSameSchema(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)

	migrate := func(err error) {
		t.Helper()

		if err != nil {
			t.Fatal(err)
		}
	}

	bare := dump(t, url)

	migrate(schema.Up(t.Context(), url))
	first := dump(t, url)

	migrate(down(t.Context(), url, true))

	if left := dump(t, url); left != bare {
		t.Errorf("all the way down leaves\n%s", left)
	}

	migrate(schema.Up(t.Context(), url))

	if second := dump(t, url); second != first {
		t.Errorf("first\n%s\nsecond\n%s", first, second)
	}

	migrate(down(t.Context(), url, false)) // and a single one
	migrate(schema.Up(t.Context(), url))

	if third := dump(t, url); third != first {
		t.Errorf("first\n%s\nafter one down and up\n%s", first, third)
	}
}

// dump is the schema as SQL, without what differs from run to run.
func dump(t *testing.T, url string) string {
	t.Helper()

	command := exec.CommandContext(t.Context(), "pg_dump", "--schema-only", "--no-owner", "--dbname", url)

	out, err := command.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}

	return regexp.MustCompile(`(?m)^\\(un)?restrict .*$`).ReplaceAllString(string(out), "")
}

func TestMigrationsComeInNumberedPairs(t *testing.T) {
	t.Parallel()

	files, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}

	name := regexp.MustCompile(`^(\d{6})_([a-z_]+)\.(up|down)\.sql$`)
	pairs := map[string]string{}

	for _, file := range files {
		part := name.FindStringSubmatch(file)
		if part == nil {
			t.Errorf("%s is not named NNNNNN_words.up.sql or .down.sql", file)

			continue
		}

		if twin := strings.Replace(file, "."+part[3]+".", map[string]string{"up": ".down.", "down": ".up."}[part[3]], 1); !slices.Contains(files, twin) {
			t.Errorf("%s has no %s", file, twin)
		}

		if other, taken := pairs[part[1]]; taken && other != part[2] {
			t.Errorf("number %s is %s and %s", part[1], other, part[2])
		}

		pairs[part[1]] = part[2]
	}
}

func TestMigrateUpAtOnceFromSeveralProcesses(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)

	var runs sync.WaitGroup
	for range 4 {
		runs.Go(func() {
			if err := schema.Up(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}

	runs.Wait()
}

func down(ctx context.Context, url string, all bool) error {
	return schema.Migrator{URL: url, Log: slog.New(slog.DiscardHandler)}.Down(ctx, all, yes)
}

// What a migration takes away of River's own, it gives back as River's made it.
func TestMigrateDownGivesRiverItsTableBack(t *testing.T) {
	t.Parallel()

	ctx := context.WithoutCancel(t.Context())
	rivers, url := open(t, dbtest.Empty(t)), dbtest.Empty(t)
	ours := open(t, url)

	migrator, err := rivermigrate.New(riverpgxv5.New(rivers), nil)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}

	table := func(pool *pgxpool.Pool) (made string) {
		t.Helper()

		err := pool.QueryRow(t.Context(), `
			SELECT concat(c.reloptions, string_agg(E'\n' || i.indexdef, '' ORDER BY i.indexname))
			FROM pg_class AS c
			JOIN pg_indexes AS i ON i.tablename = c.relname
			WHERE c.oid = 'river_job'::regclass
				AND i.indexname <> 'river_job_order_idx'
			GROUP BY c.reloptions`).Scan(&made)
		if err != nil {
			t.Fatal(err)
		}

		return made
	}

	if err := schema.Up(ctx, url); err != nil {
		t.Fatal(err)
	}

	indexes := func(pool *pgxpool.Pool) string { // River UI and River's own searches need them
		_, found, _ := strings.Cut(table(pool), "\n")

		return found
	}

	if want, got := indexes(rivers), indexes(ours); got != want {
		t.Errorf("river_job has the indexes\n%s\nwant River's\n%s", got, want)
	}

	for dbtest.Count(t, ours, `SELECT count(*) FROM pg_views WHERE viewname = 'live_jobs'`) > 0 {
		if err := down(ctx, url, false); err != nil {
			t.Fatal(err)
		}
	}

	if want, got := table(rivers), table(ours); got != want {
		t.Errorf("below the migration that drops indexes, river_job is\n%s\nwant River's\n%s", got, want)
	}
}

func open(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	return pool
}

// The comments are the schema's own documentation.
func TestEveryTableHasAComment(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	var missing string

	err := pool.QueryRow(t.Context(), `
		SELECT coalesce(string_agg(relname, ', '), '')
		FROM pg_class AS c
		WHERE relnamespace = 'public'::regnamespace
			AND relkind IN ('r', 'v')
			AND relname NOT LIKE 'river%'
			AND obj_description(c.oid, 'pg_class') IS NULL`).Scan(&missing)
	if err != nil || missing != "" {
		t.Errorf("without a comment: %s, %v", missing, err)
	}
}
