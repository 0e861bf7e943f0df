package scenario_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/bench/baseline"
	"orders/cmd/bench/database"
	"orders/cmd/bench/load"
	"orders/cmd/bench/scenario"
	"orders/cmd/bench/server"
	"orders/db"
	"orders/jobs"
)

// The WAL that an order of two lines may cost from its placing until River has
// completed its jobs, in bytes. Postgres 15 writes 3,840, of which 270 are for the lists by
// product and by update. A tenth more is too many, and fewer than half as many are counted wrong.
const (
	mostWAL  = 4_250
	leastWAL = 1_500
)

// What an order costs Postgres in WAL and in writes of River's rows depends neither
// on how fast the machine is nor on what else it does.
func TestWhatAnOrderCostsPostgres(t *testing.T) {
	t.Parallel()

	const (
		orders = 1000
		name   = "cost"
	)

	p := quietPostgres(t)
	if err := database.Exec(t.Context(), p.Admin, `CREATE DATABASE `+name+` TEMPLATE `+server.Template); err != nil {
		t.Fatal(err)
	}

	pool, err := db.Open(t.Context(), p.URL(name))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	if err := scenario.Prepare(t.Context(), pool, scenario.Scenario{}); err != nil {
		t.Fatal(err)
	}

	const written = `SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint`

	before, start := countRows(t, p.Admin, written), time.Now().Truncate(time.Millisecond)

	ids, err := baseline.Place(t.Context(), pool, load.Spread, orders)
	if err != nil {
		t.Fatal(err)
	}

	workOff(t, pool)

	wal := (countRows(t, p.Admin, written) - before) / orders
	t.Logf("%d bytes of WAL an order", wal)

	if wal < leastWAL || wal > mostWAL {
		t.Errorf("%d bytes of WAL an order, want %d to %d", wal, leastWAL, mostWAL)
	}

	checkOrders(t, pool, start, ids)
	pool.Close() // sessions have told all that they did when they have ended

	if _, err := p.Counts(t.Context(), name); err != nil {
		t.Fatal(err)
	}

	checkJobs(t, p.URL(name), (orders+jobs.Defaults().OrdersPerJob-1)/jobs.Defaults().OrdersPerJob)
}

// quietPostgres is a server that writes no WAL but for what it is asked to do.
func quietPostgres(t *testing.T) *server.Postgres {
	t.Helper()

	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { // Postgres' user, which is not root, has to pass through
		t.Fatal(err)
	}

	p, err := server.StartPostgres(t.Context(), dir, "", map[string]string{
		"autovacuum":         "off",
		"checkpoint_timeout": "1h",
		"full_page_writes":   "off", // how many there are depends on when there was a checkpoint
	})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})

	return p
}

// checkJobs holds the writes of jobs to what they were: they were most of what an order cost.
func checkJobs(t *testing.T, url string, batches int) {
	t.Helper()

	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	for sql, want := range map[string]int{
		// A job is inserted, taken and completed; those that the leader adds are only inserted. A batch of orders has three.
		`SELECT n_tup_ins - (SELECT count(*) FROM river_job WHERE queue = 'maintenance') FROM pg_stat_user_tables WHERE relname = 'river_job'`: 3 * batches,
		`SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'river_job'`:                                                                6 * batches,
		`SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'river_job'`:                                                                0,
	} {
		if got := countRows(t, pool, sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
}
