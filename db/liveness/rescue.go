package liveness

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/jobs"
)

// dead is the condition on a row of workers that is dead: its lock is free, or its
// last heartbeat is long ago (a stopped process keeps its lock, and behind a pooler
// there is none). A lock that is found free is kept until the transaction ends.
//
// A dead worker is checked for another minute, for jobs that it has fetched since: the
// fetch of a killed process may commit after its lock is free.
const dead = `
	id <> $1
	AND (
		ended_at > now() - interval '1 minute'
		OR ended_at IS NULL
			AND (seen_at < now() - $2::interval OR pg_try_advisory_xact_lock($3, lock_key))
	)`

// FindDead lists the workers that look dead to the worker self. Every worker asks
// every second, and it changes nothing.
func FindDead(ctx context.Context, q db.Querier, self string) ([]string, error) {
	rows, err := q.Query(ctx, `
		SELECT id
		FROM workers
		WHERE `+dead, self, staleAfter, locks)
	if err != nil {
		return nil, fmt.Errorf("look for dead workers: %w", err)
	}

	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for dead workers: %w", err)
	}

	return ids, nil
}

// A DeadWorker is a worker that was found dead.
type DeadWorker struct {
	ID      string
	First   bool     // it was not known before
	Rescued int64    // how many of its jobs this call has made available again
	Queues  []string // in which they wait
}

// RescueJobs makes available again at most limit of the jobs that dead ones among
// the workers were running. A rescue costs a job no attempt, and the job keeps its
// place in the queue. It is counted, for a job that kills its process again and
// again: up to suspect for all jobs that ran, and from there only for the job that
// [MarkAlone] has marked. A job that was to be cancelled is cancelled, as by
// River's rescuer.
//
// It is one statement and so one transaction: finding the worker dead, which locks
// its row, and rescuing its jobs. Two workers that find the same one dead do not wait
// for each other, and a worker that comes back waits to register. It does no harm to
// jobs that still run in a worker that was wrongly found dead (a cut connection, a
// stopped process that continues):
//
//   - Their effects happen once: both attempts write the ledger under the same key.
//   - River lets an attempt that ends change its job only while that is 'running'. If
//     the job is available again, nothing happens, and the next attempt finds the
//     effect done. If another worker runs it, the job is completed while it
//     runs there, after a committed effect; the end of that attempt changes nothing.
//   - An attempt that fails makes the job retryable, or discards it, while another
//     still runs. The other's success is lost with River, not in the ledger: the
//     retry finds the effect done, and so does a redrive of the dead letter.
func RescueJobs(ctx context.Context, q db.Querier, self string, workers []string, limit, suspect int) ([]DeadWorker, error) {
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
		), rescued AS (
			UPDATE river_job AS j
			SET state = CASE WHEN j.metadata ? 'cancel_attempted_at' THEN 'cancelled' ELSE 'available' END::river_job_state,
				finalized_at = CASE WHEN j.metadata ? 'cancel_attempted_at' THEN now() END,
				attempt = greatest(j.attempt - 1, 0),
				metadata = j.metadata - $8::text || jsonb_build_object($7::text,
					metadata_count(j.metadata, $7) + CASE WHEN metadata_count(j.metadata, $7) < $6 OR j.metadata ? $8 THEN 1 ELSE 0 END)
			FROM lost
			WHERE j.id = lost.id
			RETURNING j.queue, lost.worker
		), counts AS (
			SELECT dead.id, count(r.queue) AS jobs, array_agg(DISTINCT r.queue) FILTER (WHERE r.queue IS NOT NULL) AS queues
			FROM dead
			LEFT JOIN rescued AS r ON r.worker = dead.id
			GROUP BY dead.id
		)
		UPDATE workers AS w
		SET ended_at = coalesce(w.ended_at, now()), rescued = w.rescued + c.jobs
		FROM counts AS c
		WHERE w.id = c.id
			AND (w.ended_at IS NULL OR c.jobs > 0)
		RETURNING w.id, w.ended_at = now(), c.jobs, coalesce(c.queues, '{}')`,
		self, staleAfter, locks, workers, limit, suspect, jobs.MetaRescued, jobs.MetaAlone)
	if err != nil {
		return nil, fmt.Errorf("rescue jobs: %w", err)
	}

	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[DeadWorker])
	if err != nil {
		return nil, fmt.Errorf("rescue jobs: %w", err)
	}

	return found, nil
}

// NotifyRescue notifies River's clients at once of what they would find out later: there
// is work in these queues, and the leader is dead if it is one of the workers. (River
// waits until its lease ends, 15 s, in which no job is retried and no periodic job is
// enqueued.) Topics and payloads are River's. With pollOnly, they find out by polling.
func NotifyRescue(ctx context.Context, q db.Querier, workers, queues []string, pollOnly bool) error {
	_, err := q.Exec(ctx, `
		SELECT pg_notify(current_schema() || '.river_insert', json_build_object('queue', queue)::text)
		FROM unnest($1::text[]) AS queue
		WHERE NOT $2`, queues, pollOnly)
	if err != nil {
		return fmt.Errorf("notify of rescued jobs: %w", err)
	}

	// A leader that is alive after all sees at its next renewal that it is not the leader any more, and resigns.
	_, err = q.Exec(ctx, `
		WITH gone AS (
			DELETE FROM river_leader
			WHERE leader_id = ANY($1)
			RETURNING leader_id
		)
		SELECT pg_notify(current_schema() || '.river_leadership', json_build_object('leader_id', leader_id, 'action', 'resigned')::text)
		FROM gone
		WHERE NOT $2`, workers, pollOnly)
	if err != nil {
		return fmt.Errorf("resign for dead leader: %w", err)
	}

	return nil
}

// EndSessions ends the sessions of those workers whose last heartbeat is long ago. A
// process that is stopped, or whose host has vanished, leaves its transactions open,
// and the rescued jobs would wait for the rows and keys that they hold.
func EndSessions(ctx context.Context, q db.Querier, self string, workers []string) (int64, error) {
	tag, err := q.Exec(ctx, `
		SELECT pg_terminate_backend(a.pid)
		FROM workers AS w
		JOIN pg_stat_activity AS a ON a.application_name = w.sessions AND a.datname = current_database()
		WHERE w.id = ANY($2)
			AND w.ended_at IS NOT NULL
			AND w.seen_at < now() - $3::interval
			AND w.sessions NOT IN (SELECT sessions FROM workers WHERE id = $1 OR ended_at IS NULL)
			AND w.sessions <> ''`, self, workers, staleAfter)
	if err != nil {
		return 0, fmt.Errorf("end sessions of dead workers: %w", err)
	}

	return tag.RowsAffected(), nil
}

// MarkAlone notes in a running job that it is the one suspect that runs in its
// process, or takes the note back.
func MarkAlone(ctx context.Context, q db.Querier, jobID int64, alone bool) error {
	_, err := q.Exec(ctx, `
		UPDATE river_job
		SET metadata = CASE WHEN $2 THEN metadata || jsonb_build_object($3::text, true) ELSE metadata - $3::text END
		WHERE id = $1
			AND state = 'running'`, jobID, alone, jobs.MetaAlone)
	if err != nil {
		return fmt.Errorf("mark suspect: %w", err)
	}

	return nil
}
