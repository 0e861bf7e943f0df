package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/pipeline"
)

// A Redrive is a request to give a dead letter's work a new job, and its outcome.
type Redrive struct {
	OperationID uuid.UUID
	JobID       int64
	Outcome     string
	NewJobID    *int64
	Actor       string
	Note        string
	At          time.Time
}

func redrivesOfLetter(ctx context.Context, q db.Querier, jobID int64) ([]Redrive, error) {
	rows, err := q.Query(ctx, `
		SELECT operation_id, job_id, outcome, new_job_id, actor, note, at
		FROM redrives
		WHERE job_id = $1
		ORDER BY id`, jobID)
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
func redriveOf(ctx context.Context, q db.Querier, newJobID int64) (*int64, error) {
	var jobID int64

	err := q.QueryRow(ctx, `
		SELECT job_id
		FROM redrives
		WHERE new_job_id = $1
			AND job_id <> new_job_id -- retried by hand
		LIMIT 1`, newJobID).Scan(&jobID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // no letter is a result
	}

	if err != nil {
		return nil, fmt.Errorf("read redrive: %w", err)
	}

	return &jobID, nil
}

// RecordRedrives writes redrives with their outcomes.
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

	return pipeline.Exec(ctx, tx, "record redrives", `
		INSERT INTO redrives (operation_id, job_id, outcome, new_job_id, actor, note)
		SELECT r.operation_id, r.job_id, r.outcome, r.new_job_id, r.actor, r.note
		FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[])
			AS r (operation_id, job_id, outcome, new_job_id, actor, note)
		ORDER BY r.operation_id, r.job_id
		ON CONFLICT DO NOTHING`, operations, jobIDs, outcomes, newJobIDs, actors, notes)
}
