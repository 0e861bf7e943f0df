package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// dead is the verdict on a row of workers: its lock is free, or it has not beaten
// for long (a stopped process keeps its lock, and behind a pooler there is none).
// A lock that is found free is kept until the transaction ends.
//
// Who was found dead is looked at for another minute, for jobs that it has taken
// since: a fetch of a killed process may commit after its lock is gone.
const dead = `
	id <> $1
	AND (
		ended_at > now() - interval '1 minute'
		OR ended_at IS NULL
			AND (seen_at < now() - $2::interval OR pg_try_advisory_xact_lock($3, lock_key))
	)`

// DeadWorkers lists those that look dead to the worker self. It is asked every
// second by every worker, and changes nothing.
func DeadWorkers(ctx context.Context, q Querier, self string) ([]string, error) {
	rows, err := q.Query(ctx, `
		SELECT id
		FROM workers
		WHERE `+dead, self, workerStale, workerLocks)
	if err != nil {
		return nil, fmt.Errorf("look for dead workers: %w", err)
	}

	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for dead workers: %w", err)
	}

	return ids, nil
}

// A Death is a worker that was found dead.
type Death struct {
	Worker   string
	First    bool     // nobody has known it before
	Returned int64    // of its jobs, how many were put back
	Queues   []string // in which they wait
}

// ReturnJobs puts back at most limit of the jobs that dead ones among the workers
// were running. They cost them no attempt, and keep their place in the queue, but
// are counted, for a job that kills its process again and again: up to suspect
// all that ran, and from there only the one that is marked by [MarkAlone]. One
// that was to be cancelled is, as River's rescuer would have it.
//
// It is one statement and so one transaction: the verdict, which holds the
// worker's row, and what follows from it. Two that find the same worker dead do
// not wait for each other, and a worker that comes back waits to say so. It does
// no harm to jobs that a wrongly condemned one (a cut connection, a process that
// was stopped and goes on) still runs:
//
//   - Their effects happen once: both runs write the ledger under the same key.
//   - River lets a run that ends change its job only while that is 'running'. If
//     it waits again, nothing happens, and the next run finds the effect done. If
//     another runs it, the job is completed under that run's hands, after an effect
//     that is committed; the other's own end then changes nothing.
//   - A run that fails makes the job retryable, or discards it, while another still
//     runs. The other's success is lost with River, not in the ledger: the retry
//     finds the effect done, and so does whoever looks at the dead letter.
func ReturnJobs(ctx context.Context, q Querier, self string, workers []string, limit, suspect int) ([]Death, error) {
	rows, err := q.Query(ctx, `
		WITH dead AS (
			SELECT id
			FROM workers
			WHERE id = ANY($4)
				AND `+dead+`
			ORDER BY id
			FOR UPDATE SKIP LOCKED
		), lost AS (
			SELECT j.id, d.id AS worker
			FROM dead AS d
			JOIN river_job AS j ON j.state = 'running' AND j.attempted_by[array_upper(j.attempted_by, 1)] = d.id
			LIMIT $5
			FOR UPDATE OF j SKIP LOCKED
		), returned AS (
			UPDATE river_job AS j
			SET state = CASE WHEN j.metadata ? 'cancel_attempted_at' THEN 'cancelled' ELSE 'available' END::river_job_state,
				finalized_at = CASE WHEN j.metadata ? 'cancel_attempted_at' THEN now() END,
				attempt = greatest(j.attempt - 1, 0),
				metadata = j.metadata - 'orders:alone' || jsonb_build_object('orders:returned',
					metadata_count(j.metadata, 'orders:returned')
					+ CASE WHEN metadata_count(j.metadata, 'orders:returned') < $6 OR j.metadata ? 'orders:alone' THEN 1 ELSE 0 END)
			FROM lost
			WHERE j.id = lost.id
			RETURNING j.queue, lost.worker
		), counts AS (
			SELECT dead.id, count(r.queue) AS jobs, array_agg(DISTINCT r.queue) FILTER (WHERE r.queue IS NOT NULL) AS queues
			FROM dead
			LEFT JOIN returned AS r ON r.worker = dead.id
			GROUP BY dead.id
		)
		UPDATE workers AS w
		SET ended_at = coalesce(w.ended_at, now()), returned = w.returned + c.jobs
		FROM counts AS c
		WHERE w.id = c.id
			AND (w.ended_at IS NULL OR c.jobs > 0)
		RETURNING w.id, w.ended_at = now(), c.jobs, coalesce(c.queues, '{}')`,
		self, workerStale, workerLocks, workers, limit, suspect)
	if err != nil {
		return nil, fmt.Errorf("return jobs: %w", err)
	}

	deaths, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Death])
	if err != nil {
		return nil, fmt.Errorf("return jobs: %w", err)
	}

	return deaths, nil
}

// AnnounceDeaths tells River's clients at once what they would find out by
// themselves later: there is work in these queues, and nobody is leader, if it
// was one of the dead (River waits for its lease to end, 15 s, in which retries
// and periodic jobs stand still). Topics and payloads are River's own.
func AnnounceDeaths(ctx context.Context, q Querier, workers, queues []string) error {
	_, err := q.Exec(ctx, `
		SELECT pg_notify(current_schema() || '.river_insert', json_build_object('queue', queue)::text)
		FROM unnest($1::text[]) AS queue`, queues)
	if err != nil {
		return fmt.Errorf("announce returned jobs: %w", err)
	}

	// A leader that is not dead after all sees at its next renewal that it is leader no more, and steps down.
	_, err = q.Exec(ctx, `
		WITH gone AS (
			DELETE FROM river_leader
			WHERE leader_id = ANY($1)
			RETURNING leader_id
		)
		SELECT pg_notify(current_schema() || '.river_leadership', json_build_object('leader_id', leader_id, 'action', 'resigned')::text)
		FROM gone`, workers)
	if err != nil {
		return fmt.Errorf("depose dead leader: %w", err)
	}

	return nil
}

// EndSessions ends the sessions of those workers that have not beaten for long. A
// process that is stopped, or whose host has vanished, leaves its transactions
// open, and the rows and keys they hold are what the returned jobs would wait for.
func EndSessions(ctx context.Context, q Querier, self string, workers []string) (int64, error) {
	tag, err := q.Exec(ctx, `
		SELECT pg_terminate_backend(a.pid)
		FROM workers AS w
		JOIN pg_stat_activity AS a ON a.application_name = w.sessions AND a.datname = current_database()
		WHERE w.id = ANY($2)
			AND w.ended_at IS NOT NULL
			AND w.seen_at < now() - $3::interval
			AND w.sessions NOT IN (SELECT sessions FROM workers WHERE id = $1 OR ended_at IS NULL)
			AND w.sessions <> ''`, self, workers, workerStale)
	if err != nil {
		return 0, fmt.Errorf("end sessions of dead workers: %w", err)
	}

	return tag.RowsAffected(), nil
}

// MarkAlone notes in a job that is running that it is the one suspect that runs
// in its process, or takes the note back.
func MarkAlone(ctx context.Context, q Querier, jobID int64, alone bool) error {
	_, err := q.Exec(ctx, `
		UPDATE river_job
		SET metadata = CASE WHEN $2 THEN metadata || '{"orders:alone": true}' ELSE metadata - 'orders:alone' END
		WHERE id = $1
			AND state = 'running'`, jobID, alone)
	if err != nil {
		return fmt.Errorf("mark suspect: %w", err)
	}

	return nil
}
