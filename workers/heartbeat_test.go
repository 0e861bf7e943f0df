package workers_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/liveness"
)

// Only the dead worker's jobs are rescued, more of them than one statement takes. A
// rescue costs no attempt, keeps the job's place in the queue and is counted. A job
// that was to be cancelled is cancelled.
func TestJobsOfADeadWorkerAreRescued(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.exec(`
		INSERT INTO workers (id, host, pid, version, queues, lock_key, sessions)
		VALUES ('dead', '', 1, '', '{}', 1, ''), ('alive', '', 2, '', '{}', 2, '')`)
	b.exec(`
		INSERT INTO river_job (state, attempt, attempted_by, max_attempts, kind, queue, args, metadata, scheduled_at)
		SELECT 'running', 3, ARRAY['alive', w.id], 10, 'points', 'of nobody', '{}', m.metadata, '2026-01-01'
		FROM (VALUES ('dead', 2500), ('alive', 10)) AS w (id, jobs),
			generate_series(1, w.jobs) AS n,
			jsonb(CASE WHEN n = 1 THEN '{"cancel_attempted_at": "2026-01-01T00:00:00Z"}' WHEN n = 2 THEN '{"orders:rescued": 1}'
				WHEN n = 3 THEN '{"orders:rescued": 2}' WHEN n = 4 THEN '{"orders:rescued": 2, "orders:alone": true}' ELSE '{}' END) AS m (metadata)`)

	hold(b, `SELECT pg_advisory_lock(1330791506, 2)`)
	b.start()

	b.eventually(0, `SELECT count(*) FROM river_job WHERE state = 'running' AND attempted_by[2] = 'dead'`)
	b.eventually(2500, `SELECT rescued FROM workers WHERE id = 'dead' AND ended_at IS NOT NULL`)

	for sql, want := range map[string]int{
		`SELECT count(*) FROM river_job WHERE state = 'available' AND attempted_by = '{alive,dead}' AND attempt = 2 AND scheduled_at = '2026-01-01'`: 2499,
		`SELECT count(*) FROM river_job WHERE state = 'available' AND metadata->>'orders:rescued' = '1'`:                                             2496,
		`SELECT count(*) FROM river_job WHERE state = 'available' AND metadata->>'orders:rescued' = '2'`:                                             2,
		`SELECT count(*) FROM river_job WHERE state = 'available' AND metadata->>'orders:rescued' = '3' AND NOT metadata ? 'orders:alone'`:           1,
		`SELECT count(*) FROM river_job WHERE state = 'cancelled' AND finalized_at IS NOT NULL`:                                                      1,
		`SELECT count(*) FROM river_job WHERE state = 'running' AND attempted_by[2] = 'alive' AND attempt = 3`:                                       10,
		`SELECT count(*) FROM workers WHERE ended_at IS NULL`:                                                                                        2,
	} {
		if got := count(b, sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}

	// A fetch of the killed process commits only now.
	b.exec(`UPDATE river_job SET state = 'running' WHERE id = (SELECT min(id) FROM river_job WHERE state = 'available')`)
	b.eventually(2501, `SELECT rescued FROM workers WHERE id = 'dead'`)
}

func TestAWorkerThatLosesItsLockGoesOn(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.start()
	b.start()

	for range 3 {
		b.order(1)
		b.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'orders worker %' AND datname = current_database()`)
		b.eventually(2, `SELECT count(*) FROM pg_locks AS l JOIN workers AS w ON l.objid::bigint = w.lock_key
			WHERE l.classid = 1330791506 AND w.ended_at IS NULL AND l.granted`)
	}

	b.eventually(3, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
}

// The worst false alarm: the worker lives, and takes again the very jobs that it is
// running.
func TestAWorkerThatIsWronglyFoundDeadDoesNothingTwice(t *testing.T) {
	t.Parallel()

	const orders = 20 // twice that many must fit into a queue's concurrency

	b := setup(t)
	b.widen()

	w := b.start()
	release := hold(b, `LOCK TABLE points_entries`)

	for range orders {
		b.order(1)
	}

	b.eventually(orders, `SELECT count(*) FROM river_job WHERE state = 'running' AND kind = 'points'`)
	condemn(b)
	b.eventually(orders, `SELECT count(*) FROM river_job WHERE kind = 'points' AND cardinality(attempted_by) = 2`) // it has taken them again
	release()

	b.eventually(orders*3, `SELECT count(*) FROM river_job WHERE state = 'completed' AND queue <> 'maintenance'`)
	b.eventually(1, `SELECT count(*) FROM workers WHERE ended_at IS NULL AND rescued >= 20`) // it is back

	for sql, want := range map[string]int{
		`SELECT count(*) FROM points_entries`:                                  orders,
		`SELECT sum(balance)::int FROM points_balances`:                        orders * 10,
		`SELECT count(*) FROM stock_movements`:                                 orders,
		`SELECT count(*) FROM notifications`:                                   orders,
		`SELECT count(*) FROM river_job WHERE kind = 'points' AND attempt > 1`: 0,
	} {
		if got := count(b, sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}

	if err := w.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// widen gives the test a pool that is larger than the number of steps that wait for a lock.
func (b *bundle) widen() {
	b.t.Helper()

	config := b.pool.Config()
	config.MaxConns = 20

	pool, err := pgxpool.NewWithConfig(b.t.Context(), config)
	if err != nil {
		b.t.Fatal(err)
	}

	b.t.Cleanup(pool.Close)
	b.pool = pool
}

// condemn makes another worker find the only one dead, although that holds its lock: its heartbeat is old.
func condemn(b *bundle) {
	b.t.Helper()

	err := db.InTx(b.t.Context(), b.pool, func(tx pgx.Tx) error {
		var id string
		if err := tx.QueryRow(b.t.Context(), `UPDATE workers SET seen_at = now() - interval '11 seconds' RETURNING id`).Scan(&id); err != nil {
			return err
		}

		dead, err := liveness.RescueJobs(b.t.Context(), tx, "another", []string{id}, 1_000, 2)
		if err == nil && (len(dead) != 1 || !dead[0].First || dead[0].Rescued < 20) {
			b.t.Errorf("dead workers: %+v", dead)
		}

		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// A new leader does not wait for the lease of a dead one to end.
func TestADeadLeaderIsReplacedAtOnce(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.exec(`INSERT INTO workers (id, host, pid, version, queues, lock_key, sessions) VALUES ('dead', '', 1, '', '{}', 1, '')`)
	b.exec(`INSERT INTO river_leader (leader_id, elected_at, expires_at) VALUES ('dead', now(), now() + interval '1 hour')`)
	b.start()

	b.eventually(1, `SELECT count(*) FROM river_leader WHERE leader_id = (SELECT id FROM workers WHERE id <> 'dead')`)
}

func TestAStoppedWorkerLeavesNothingBehind(t *testing.T) {
	t.Parallel()

	b := setup(t)
	w := b.start()

	workers, err := liveness.List(t.Context(), b.pool)
	if err != nil || len(workers) != 1 || !workers[0].Alive || workers[0].Version != "test" || workers[0].Queues["points"] != 50 {
		t.Errorf("while it works: %+v, %v", workers, err)
	}

	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	if n := count(b, `SELECT count(*) FROM workers`); n != 0 {
		t.Errorf("%d workers are left", n)
	}

	b.eventually(0, `SELECT count(*) FROM pg_locks WHERE classid = 1330791506 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
}

// hold runs sql in a transaction and keeps that open until it is released.
func hold(b *bundle, sql string) (release func()) {
	b.t.Helper()

	tx, err := b.pool.Begin(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}

	release = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), 5*time.Second)
		defer cancel()

		_ = tx.Rollback(ctx)
	}
	b.t.Cleanup(release)

	if _, err := tx.Exec(b.t.Context(), sql); err != nil {
		b.t.Fatal(err)
	}

	return release
}
