package baseline_test

import (
	"maps"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"orders/cmd/bench/baseline"
	"orders/cmd/bench/database"
	"orders/db/dbtest"
)

// River's own migrations and the textbook's preparation give river_job the same indexes,
// also when ours have dropped some of River's and added some.
func TestTextbookHasRiversIndexes(t *testing.T) {
	t.Parallel()

	want := riversOwnIndexes(t)

	pool := dbtest.Pool(t)
	if err := database.Exec(t.Context(), pool,
		`DROP INDEX IF EXISTS river_job_kind, river_job_args_index, river_job_metadata_index`,
		`CREATE INDEX river_job_ours ON river_job (queue)`,
	); err != nil {
		t.Fatal(err)
	}

	for range 2 { // the second time finds nothing to do
		if err := database.Exec(t.Context(), pool, baseline.RiverIndexes); err != nil {
			t.Fatal(err)
		}
	}

	if got := indexes(t, pool); !maps.Equal(got, want) {
		t.Errorf("indexes of river_job are\n%v\nwant River's\n%v", got, want)
	}
}

func riversOwnIndexes(t *testing.T) map[string]string {
	t.Helper()

	pool, err := pgxpool.New(t.Context(), dbtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}

	return indexes(t, pool)
}

func indexes(t *testing.T, pool *pgxpool.Pool) map[string]string {
	t.Helper()

	rows, err := pool.Query(t.Context(), `SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'river_job'`)
	if err != nil {
		t.Fatal(err)
	}

	found := map[string]string{}

	var name, definition string
	if _, err := pgx.ForEachRow(rows, []any{&name, &definition}, func() error {
		found[name] = definition

		return nil
	}); err != nil {
		t.Fatal(err)
	}

	return found
}
