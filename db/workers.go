package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	workerStale = 10 * time.Second // without a beat for that long, a worker is dead even if it holds its lock
	workerKept  = time.Hour        // for how long a dead worker is shown
	maxWorkers  = 1_000            // of one list
)

// A Worker is a process that works jobs.
type Worker struct {
	ID        string         `json:"id"         doc:"Its name, also in a job's attempted_by"`
	Host      string         `json:"host"       doc:"The machine, or container, it runs on"`
	PID       int            `json:"pid"        doc:"Its process there"`
	Version   string         `json:"version"    doc:"The program's version"`
	Queues    map[string]int `json:"queues"     doc:"How many jobs it runs at once, by queue" nullable:"false"`
	Alive     bool           `json:"alive"      doc:"Whether it is there and answers"`
	Running   int64          `json:"running"    doc:"Jobs that it runs now"`
	Returned  int64          `json:"returned"   doc:"Jobs that were put back for it when it was found dead"`
	StartedAt time.Time      `json:"started_at"`
	SeenAt    time.Time      `json:"seen_at"    doc:"When it last said that it lives, which it does every second"`
	EndedAt   *time.Time     `json:"ended_at"   doc:"When it was found dead"`
}

// PutWorker says that the worker lives, again if it was found dead in between, and
// forgets workers that died long ago. The worker's lock is taken first: a row
// whose lock is free is always a dead worker's.
func PutWorker(ctx context.Context, pool *pgxpool.Pool, l *WorkerLock, w Worker) error {
	_, err := l.conn.Exec(ctx, `
		INSERT INTO workers (id, host, pid, version, queues, lock_key, sessions)
		VALUES ($1, $2, $3, $4, coalesce($5::jsonb, '{}'), $6, $7)
		ON CONFLICT (id) DO UPDATE
		SET lock_key = excluded.lock_key, seen_at = now(), ended_at = NULL`,
		w.ID, w.Host, w.PID, w.Version, w.Queues, l.key, sessionsOf(pool))
	if err != nil {
		return fmt.Errorf("put worker: %w", err)
	}

	_, err = l.conn.Exec(ctx, `
		DELETE FROM workers
		WHERE ended_at < now() - $1::interval`, workerKept)
	if err != nil {
		return fmt.Errorf("forget dead workers: %w", err)
	}

	return nil
}

// Beat says that the worker still lives. It returns false when another has found
// it dead.
func Beat(ctx context.Context, l *WorkerLock, id string) (bool, error) {
	tag, err := l.conn.Exec(ctx, `
		UPDATE workers
		SET seen_at = now()
		WHERE id = $1
			AND ended_at IS NULL`, id)
	if err != nil {
		return false, fmt.Errorf("beat: %w", err)
	}

	return tag.RowsAffected() > 0, nil
}

// RemoveWorker removes a worker that has stopped. One that has left jobs running
// stays: the others find it dead and put them back.
func RemoveWorker(ctx context.Context, q Querier, id string) error {
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

// Workers lists the worker processes, those that live first: it looks at their
// locks itself, as there may be no worker left to find the others dead.
func Workers(ctx context.Context, q Querier) ([]Worker, error) {
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
		SELECT w.id, w.host, w.pid, w.version, w.queues, w.returned, w.started_at, w.seen_at, w.ended_at,
			w.ended_at IS NULL
				AND w.seen_at >= now() - $2::interval
				AND (w.lock_key IS NULL OR w.lock_key::bigint IN (SELECT key::bigint FROM locks)) AS alive,
			coalesce(r.jobs, 0) AS running
		FROM workers AS w
		LEFT JOIN running AS r ON r.worker = w.id
		ORDER BY alive DESC, w.started_at DESC, w.id
		LIMIT $3`, workerLocks, workerStale, maxWorkers)
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Worker])
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}

	return list, nil
}
