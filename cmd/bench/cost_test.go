package main

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/local"
	"orders/jobs"
	"orders/order/flow"
	"orders/workers"
)

// The WAL that an order of two lines may cost from its placing until River has
// completed its jobs, in bytes. Postgres 15 writes 8,500: a quarter more is too
// many, and fewer than half as many are counted wrong.
const (
	mostWAL  = 10_600
	leastWAL = 4_250
)

// What an order costs Postgres in WAL and in writes of River's rows depends neither
// on how fast the machine is nor on what else it does.
func TestWhatAnOrderCostsPostgres(t *testing.T) {
	t.Parallel()

	const (
		orders   = 1000
		database = "cost"
	)

	p := quietPostgres(t)
	if err := p.create(t.Context(), database); err != nil {
		t.Fatal(err)
	}

	pool, err := db.Open(t.Context(), p.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	if err := stock(t.Context(), pool, spread); err != nil {
		t.Fatal(err)
	}

	const written = `SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint`

	before := countRows(t, p.admin, written)

	ids, err := floorOrders(t.Context(), pool, orders)
	if err != nil {
		t.Fatal(err)
	}

	workOff(t, pool, orders)

	if wal := (countRows(t, p.admin, written) - before) / orders; wal < leastWAL || wal > mostWAL {
		t.Errorf("%d bytes of WAL an order, want %d to %d", wal, leastWAL, mostWAL)
	}

	if err := checkFloor(t.Context(), pool, ids); err != nil {
		t.Error(err)
	}

	pool.Close() // sessions have told all that they did when they have ended

	if err := p.awaitSessions(t.Context(), database); err != nil {
		t.Fatal(err)
	}

	checkJobs(t, p.URL(database), orders)
}

// quietPostgres is a server that writes no WAL but for what it is asked to do.
func quietPostgres(t *testing.T) *postgres {
	t.Helper()

	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { // Postgres' user, which is not root, has to pass through
		t.Fatal(err)
	}

	p := &postgres{}

	var err error

	p.Server, err = local.Start(t.Context(), local.Options{Dir: dir, Settings: map[string]string{
		"autovacuum":         "off",
		"checkpoint_timeout": "1h",
		"full_page_writes":   "off", // how many there are depends on when there was a checkpoint
	}})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := p.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})

	if err := p.open(t.Context()); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(p.admin.Close)

	return p
}

// workOff has the orders' steps done by real workers. The leader's own jobs are left to others.
func workOff(t *testing.T, pool *pgxpool.Pool, orders int) {
	t.Helper()

	const atOnce = 500

	w, err := workers.New(workers.Options{
		Pool: pool, Log: slog.New(slog.DiscardHandler), Version: "test", Jobs: jobs.Defaults(), Compensation: flow.DefaultCompensation(),
		Concurrency: map[string]int{jobs.QueueInventory: atOnce, jobs.QueuePoints: atOnce, jobs.QueueNotification: atOnce},
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}

	eventually(t, pool, 3*orders, `SELECT count(*) FROM river_job WHERE state = 'completed'`)

	if err := w.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// checkJobs holds the writes of jobs, and the indexes that each goes into, to what
// they were: they are most of what an order costs.
func checkJobs(t *testing.T, url string, orders int) {
	t.Helper()

	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	for sql, want := range map[string]int{
		// A job of an order is inserted, taken and completed; those that the leader adds are only inserted.
		`SELECT n_tup_ins - (SELECT count(*) FROM river_job WHERE queue = 'maintenance') FROM pg_stat_user_tables WHERE relname = 'river_job'`: 3 * orders,
		`SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'river_job'`:                                                                6 * orders,
		`SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'river_job'`:                                                                0,
	} {
		if got := countRows(t, pool, sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}

	want := []string{
		"river_job_pkey",
		"river_job_prioritized_fetching_index",
		"river_job_state_and_finalized_at_index",
		"river_job_unique_idx",
	}
	if got := slices.Sorted(maps.Keys(indexes(t, pool))); !slices.Equal(got, want) {
		t.Errorf("river_job has the indexes %q, want %q", got, want)
	}
}
