// Package liveness knows which worker processes are alive, by an advisory lock and a
// heartbeat of each, and rescues the jobs of dead ones.
package liveness

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
)

const (
	staleAfter = 10 * time.Second // without a heartbeat for that long, a worker is dead even if it holds its lock
	keptFor    = time.Hour        // how long a dead worker is listed
	maxListed  = 1_000
)

// A Worker is a process that works jobs.
type Worker struct {
	ID        string
	Host      string
	PID       int
	Version   string
	Queues    map[string]int
	Alive     bool
	Running   int64
	Rescued   int64
	ClockSkew time.Duration // how far its machine's clock is ahead of the database's
	StartedAt time.Time
	SeenAt    time.Time
	EndedAt   *time.Time
}

// Register writes the worker's row, anew if the worker was found dead in between, and
// deletes rows of workers that died long ago. The worker's lock is taken first: a row
// whose lock is free is always a dead worker's.
func Register(ctx context.Context, pool *pgxpool.Pool, l *Lock, w Worker) error {
	_, err := l.conn.Exec(ctx, `
		INSERT INTO workers (id, host, pid, version, queues, lock_key, sessions, clock_skew)
		VALUES ($1, $2, $3, $4, coalesce($5::jsonb, '{}'), $6, $7, $8)
		ON CONFLICT (id) DO UPDATE
		SET lock_key = excluded.lock_key, seen_at = now(), ended_at = NULL, clock_skew = excluded.clock_skew`,
		w.ID, w.Host, w.PID, w.Version, w.Queues, l.key, db.SessionsOf(pool), w.ClockSkew)
	if err != nil {
		return fmt.Errorf("register worker: %w", err)
	}

	_, err = l.conn.Exec(ctx, `
		DELETE FROM workers
		WHERE ended_at < now() - $1::interval`, keptFor)
	if err != nil {
		return fmt.Errorf("forget dead workers: %w", err)
	}

	return nil
}

// Heartbeat says that the worker is alive. It returns false when another worker has
// found it dead.
func Heartbeat(ctx context.Context, l *Lock, id string, skew time.Duration) (bool, error) {
	tag, err := l.conn.Exec(ctx, `
		UPDATE workers
		SET seen_at = now(), clock_skew = $2
		WHERE id = $1
			AND ended_at IS NULL`, id, skew)
	if err != nil {
		return false, fmt.Errorf("heartbeat: %w", err)
	}

	return tag.RowsAffected() > 0, nil
}

// Remove deletes the row of a worker that has stopped. The row of a worker that has
// left jobs running stays: the others find it dead and rescue them.
func Remove(ctx context.Context, q db.Querier, id string) error {
	_, err := q.Exec(ctx, `
		DELETE FROM workers
		WHERE id = $1
			AND NOT EXISTS (
				SELECT 1
				FROM river_job
				WHERE state = 'running'
					AND attempted_by[array_upper(attempted_by, 1)] = $1
			)`, id)
	if err != nil {
		return fmt.Errorf("remove worker: %w", err)
	}

	return nil
}

// List lists the worker processes, those that are alive first. It looks at their
// locks itself: there may be no worker left to find the others dead.
func List(ctx context.Context, q db.Querier) ([]Worker, error) {
	rows, err := q.Query(ctx, `
		WITH running AS (
			SELECT attempted_by[array_upper(attempted_by, 1)] AS worker, count(*) AS jobs
			FROM river_job
			WHERE state = 'running'
			GROUP BY 1
		), locks AS (
			SELECT objid AS key
			FROM pg_locks
			WHERE locktype = 'advisory'
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND classid = $1::bigint
				AND objsubid = 2
				AND granted
		)
		SELECT w.id, w.host, w.pid, w.version, w.queues, w.rescued, w.started_at, w.seen_at, w.ended_at,
			coalesce(w.clock_skew, '0') AS clock_skew,
			w.ended_at IS NULL
				AND w.seen_at >= now() - $2::interval
				AND (w.lock_key IS NULL OR w.lock_key::bigint IN (SELECT key::bigint FROM locks)) AS alive,
			coalesce(r.jobs, 0) AS running
		FROM workers AS w
		LEFT JOIN running AS r ON r.worker = w.id
		ORDER BY alive DESC, w.started_at DESC, w.id
		LIMIT $3`, locks, staleAfter, maxListed)
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Worker])
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}

	return list, nil
}
