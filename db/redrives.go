package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A Redrive is that somebody asked to give a dead letter's work a new job, and
// what came of it.
type Redrive struct {
	OperationID uuid.UUID `json:"operation_id" format:"uuid"`
	JobID       int64     `json:"job_id" doc:"The dead letter's job"`
	Outcome     string    `json:"outcome"`
	NewJobID    *int64    `json:"new_job_id" doc:"The job that has the work now; null when none was made"`
	Actor       string    `json:"actor"`
	Note        string    `json:"note"`
	At          time.Time `json:"at"`
}

// LockOperation makes others who run the same operation wait for this transaction.
func LockOperation(ctx context.Context, tx pgx.Tx, operation uuid.UUID) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "redrive:"+operation.String()); err != nil {
		return fmt.Errorf("lock operation: %w", err)
	}

	return nil
}

// RedrivesOf reads what an operation has done so far.
func RedrivesOf(ctx context.Context, q Querier, operation uuid.UUID) ([]Redrive, error) {
	return readRedrives(ctx, q, "operation_id = $1", operation)
}

func redrivesOfLetter(ctx context.Context, q Querier, jobID int64) ([]Redrive, error) {
	return readRedrives(ctx, q, "job_id = $1", jobID)
}

func readRedrives(ctx context.Context, q Querier, condition string, arg any) ([]Redrive, error) {
	rows, err := q.Query(ctx, `
		SELECT operation_id, job_id, outcome, new_job_id, actor, note, at
		FROM redrives
		WHERE `+condition+`
		ORDER BY id`, arg)
	if err != nil {
		return nil, fmt.Errorf("read redrives: %w", err)
	}

	redrives, err := pgx.CollectRows(rows, pgx.RowToStructByName[Redrive])
	if err != nil {
		return nil, fmt.Errorf("read redrives: %w", err)
	}

	return redrives, nil
}

// redriveOf finds the letter whose work a job was made for; nil for none.
func redriveOf(ctx context.Context, q Querier, newJobID int64) (*int64, error) {
	var jobID int64

	err := q.QueryRow(ctx, `
		SELECT job_id
		FROM redrives
		WHERE new_job_id = $1
		LIMIT 1`, newJobID).Scan(&jobID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // no letter is an answer
	}

	if err != nil {
		return nil, fmt.Errorf("read redrive: %w", err)
	}

	return &jobID, nil
}

// RecordRedrives keeps what was asked for and what came of it.
func RecordRedrives(ctx context.Context, tx pgx.Tx, redrives []Redrive) error {
	if len(redrives) == 0 {
		return nil
	}

	n := len(redrives)
	operations, jobIDs, newJobIDs := make([]uuid.UUID, n), make([]int64, n), make([]*int64, n)
	outcomes, actors, notes := make([]string, n), make([]string, n), make([]string, n)

	for i, r := range redrives {
		operations[i], jobIDs[i], newJobIDs[i] = r.OperationID, r.JobID, r.NewJobID
		outcomes[i], actors[i], notes[i] = r.Outcome, r.Actor, r.Note
	}

	_, err := tx.Exec(ctx, `
		INSERT INTO redrives (operation_id, job_id, outcome, new_job_id, actor, note)
		SELECT r.operation_id, r.job_id, r.outcome, r.new_job_id, r.actor, r.note
		FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[])
			AS r (operation_id, job_id, outcome, new_job_id, actor, note)
		ORDER BY r.operation_id, r.job_id
		ON CONFLICT DO NOTHING`, operations, jobIDs, outcomes, newJobIDs, actors, notes)
	if err != nil {
		return fmt.Errorf("record redrives: %w", err)
	}

	return nil
}
