package liveness_test

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/liveness"
	"orders/jobs"
)

// Finding dead workers and rescuing their jobs does not read what is history.
func TestRescuingJobsReadsTheRunningOnesOnly(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	for _, sql := range []string{
		`INSERT INTO river_job (state, max_attempts, args, kind, queue, attempted_by, finalized_at)
			SELECT 'completed', 10, '{}', 'points', 'points', '{dead}', now() FROM generate_series(1, 100000)`,
		`INSERT INTO river_job (state, max_attempts, args, kind, queue, attempted_by)
			SELECT 'running', 10, '{}', 'points', 'points', ARRAY[CASE WHEN n % 2 = 0 THEN 'dead' ELSE 'alive' END] FROM generate_series(1, 1000) AS n`,
		`INSERT INTO workers (id, host, pid, version, queues, lock_key, sessions) VALUES ('dead', '', 1, '', '{}', 1, '')`,
		`VACUUM ANALYZE`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}

	for name, do := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"find dead workers": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(liveness.FindDead(ctx, tx, "self"))
		},
		"rescue jobs": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(liveness.RescueJobs(ctx, tx, "self", []string{"dead"}, 1_000, 2))
		},
		"list workers":  func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(liveness.List(ctx, tx)) },
		"remove worker": func(ctx context.Context, tx pgx.Tx) error { return liveness.Remove(ctx, tx, "dead") },
		"end sessions": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(liveness.EndSessions(ctx, tx, "self", []string{"dead"}))
		},
		"notify of a rescue": func(ctx context.Context, tx pgx.Tx) error {
			return liveness.NotifyRescue(ctx, tx, []string{"dead"}, []string{"points"}, false)
		},
	} {
		for _, plan := range dbtest.Explain(t, pool, do) {
			if strings.Contains(plan, "Seq Scan on river_job") {
				t.Errorf("%s: %s", name, plan)
			}
		}
	}
}

// Several workers find the same one dead; each of its jobs is rescued once.
func TestOneOfManyRescuesTheJobs(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	if _, err := pool.Exec(t.Context(), `
		WITH w AS (INSERT INTO workers (id, host, pid, version, queues, lock_key, sessions) VALUES ('dead', '', 1, '', '{}', 1, ''))
		INSERT INTO river_job (state, max_attempts, args, kind, queue, attempted_by)
		SELECT 'running', 10, '{}', 'points', 'points', '{dead}' FROM generate_series(1, 500)`); err != nil {
		t.Fatal(err)
	}

	rescued := make(chan int64)

	for range 8 {
		go func() {
			var n int64

			for running := 1; running > 0; { // one that is not the first passes at once, and comes again
				found, err := liveness.RescueJobs(t.Context(), pool, "self", []string{"dead"}, 200, 2)
				if err != nil {
					t.Error(err)
				}

				for _, d := range found {
					n += d.Rescued
				}

				if pool.QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE state = 'running'`).Scan(&running) != nil {
					break
				}
			}

			rescued <- n
		}()
	}

	var total int64
	for range 8 {
		total += <-rescued
	}

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM river_job WHERE state = 'available' AND metadata ->> $1 = '1'`, jobs.MetaRescued); n != 500 || total != 500 {
		t.Errorf("%d jobs rescued once, %d in all; want 500", n, total)
	}
}

// Behind a pooler a lock says nothing: the pooler's session keeps it when the worker
// dies. So there is no lock, and only missing heartbeats show a death.
func TestBehindAPoolerHeartbeatsDecide(t *testing.T) {
	t.Parallel()

	config, err := db.Config(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)

		return pooler{conn}, err
	}

	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	lock, err := liveness.TakeLock(t.Context(), pool, "w")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close(t.Context())

	if err := liveness.Register(t.Context(), pool, lock, liveness.Worker{ID: "w"}); err != nil {
		t.Fatal(err)
	}

	for _, dead := range []bool{false, true} {
		if dead {
			if _, err := pool.Exec(t.Context(), `UPDATE workers SET seen_at = now() - interval '11 seconds'`); err != nil {
				t.Fatal(err)
			}
		}

		found, err := liveness.FindDead(t.Context(), pool, "self")
		if err != nil || slices.Contains(found, "w") != dead {
			t.Errorf("dead workers %v, %v; want w among them: %t", found, err, dead)
		}

		list, err := liveness.List(t.Context(), pool)
		if err != nil || len(list) != 1 || list[0].Alive == dead {
			t.Errorf("workers %+v, %v; want w dead: %t", list, err, dead)
		}
	}

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM workers WHERE lock_key IS NULL`); n != 1 {
		t.Error("it has a lock")
	}
}

// pooler is a connection through a pooler, which gives clients process ids of its own.
type pooler struct{ net.Conn }

func (p pooler) Read(data []byte) (int, error) {
	n, err := p.Conn.Read(data)

	backendKey := []byte{'K', 0, 0, 0, 12}
	if at := bytes.Index(data[:n], backendKey); at >= 0 && at+len(backendKey) < n {
		data[at+len(backendKey)] ^= 1
	}

	return n, err
}

func TestDeadWorkersAreForgottenAfterAnHour(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	if _, err := pool.Exec(t.Context(), `
		INSERT INTO workers (id, host, pid, version, queues, sessions, ended_at)
		VALUES ('old', '', 1, '', '{}', '', now() - interval '61 minutes'), ('new', '', 1, '', '{}', '', now() - interval '59 minutes')`); err != nil {
		t.Fatal(err)
	}

	lock, err := liveness.TakeLock(t.Context(), pool, "w")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close(t.Context())

	before := time.Now().Add(-time.Minute)

	if err := liveness.Register(t.Context(), pool, lock, liveness.Worker{ID: "w", Queues: map[string]int{"points": 5}}); err != nil {
		t.Fatal(err)
	}

	list, err := liveness.List(t.Context(), pool)
	if err != nil || len(list) != 2 || list[0].ID != "w" || !list[0].Alive || list[0].Queues["points"] != 5 || list[0].SeenAt.Before(before) || list[1].ID != "new" {
		t.Errorf("workers: %+v, %v", list, err)
	}
}
