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
	Running   int64 // jobs
	Orders    int64 // of these jobs
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

// With heldLocks, alive is the condition on a row w of workers that lives. It looks at the locks
// itself: there may be no worker left to find the others dead.
const (
	heldLocks = `
		locks AS (
			SELECT objid::bigint AS key
			FROM pg_locks
			WHERE locktype = 'advisory'
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND classid = $1::bigint
				AND objsubid = 2
				AND granted
		)`
	alive = `(
		w.ended_at IS NULL
		AND w.seen_at >= now() - $2::interval
		AND (w.lock_key IS NULL OR w.lock_key::bigint IN (SELECT key FROM locks))
	)`
)

// List lists the worker processes, those that are alive first.
func List(ctx context.Context, q db.Querier) ([]Worker, error) {
	rows, err := q.Query(ctx, `
		WITH running AS (
			SELECT attempted_by[array_upper(attempted_by, 1)] AS worker, count(*) AS jobs,
				sum(orders_of_job(kind, metadata, args)) AS orders
			FROM river_job
			WHERE state = 'running'
			GROUP BY 1
		),`+heldLocks+`
		SELECT w.id, w.host, w.pid, w.version, w.queues, w.rescued, w.started_at, w.seen_at, w.ended_at, `+alive+` AS alive,
			coalesce(w.clock_skew, '0') AS clock_skew, coalesce(r.jobs, 0) AS running, coalesce(r.orders, 0) AS orders
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

// A Total is how many workers there are.
type Total struct {
	Alive   int64
	Dead    int64 // that were found dead within the last hour, or are about to be
	Rescued int64 // jobs of these
}

// Count counts the workers.
func Count(ctx context.Context, q db.Querier) (t Total, err error) {
	err = q.QueryRow(ctx, `
		WITH`+heldLocks+`
		SELECT count(*) FILTER (WHERE `+alive+`), count(*) FILTER (WHERE NOT `+alive+`), coalesce(sum(w.rescued), 0)
		FROM workers AS w`, locks, staleAfter).Scan(&t.Alive, &t.Dead, &t.Rescued)
	if err != nil {
		return t, fmt.Errorf("count workers: %w", err)
	}

	return t, nil
}

// WorkersOfQueues counts the living workers of each queue that has any.
func WorkersOfQueues(ctx context.Context, q db.Querier) (map[string]int, error) {
	rows, err := q.Query(ctx, `
		WITH`+heldLocks+`
		SELECT queue.name, count(*)
		FROM workers AS w
		CROSS JOIN jsonb_each_text(w.queues) AS queue (name, concurrency)
		WHERE `+alive+`
			AND queue.concurrency <> '0'
		GROUP BY queue.name`, locks, staleAfter)
	if err != nil {
		return nil, fmt.Errorf("count workers of queues: %w", err)
	}

	var (
		queue   string
		workers int
		counts  = map[string]int{}
	)

	_, err = pgx.ForEachRow(rows, []any{&queue, &workers}, func() error {
		counts[queue] = workers

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count workers of queues: %w", err)
	}

	return counts, nil
}
