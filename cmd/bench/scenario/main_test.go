package scenario_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/bench/check"
	"orders/cmd/bench/load"
	"orders/db/dbtest"
	"orders/db/schema"
	"orders/jobs"
	"orders/order"
	"orders/order/repair"
	"orders/workers"
)

func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }

// workOff has all steps done by real workers. The leader's own jobs are left to others.
func workOff(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()

	concurrency := jobs.Concurrency()
	delete(concurrency, jobs.QueueMaintenance)

	w, err := workers.New(workers.Options{
		Pool: pool, Log: slog.New(slog.DiscardHandler), Version: "test", Jobs: jobs.Defaults(), Rules: repair.DefaultRules(), Concurrency: concurrency,
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}

	eventually(t, pool, 0, `SELECT count(*) FROM river_job WHERE state <> 'completed' AND queue <> 'maintenance'`)

	if err := w.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// checkOrders fails the test unless the orders, placed from start on, are confirmed.
func checkOrders(t *testing.T, pool *pgxpool.Pool, start time.Time, ids []uuid.UUID) {
	t.Helper()

	want := &load.Result{Start: start, Accepted: ids, Statuses: map[order.Status]int{order.Confirmed: len(ids)}}
	if err := check.Orders(t.Context(), pool, load.Spread, want); err != nil {
		t.Error(err)
	}
}

func countRows(t *testing.T, pool *pgxpool.Pool, sql string) (n int) {
	t.Helper()

	if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}

	return n
}

func eventually(t *testing.T, pool *pgxpool.Pool, want int, sql string) {
	t.Helper()

	for deadline := time.Now().Add(30 * time.Second); countRows(t, pool, sql) != want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d, want %d", sql, countRows(t, pool, sql), want)
		}
	}
}
