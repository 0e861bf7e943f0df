package jobqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
)

// A Claim is what River asks for when it fetches jobs.
type Claim struct {
	Queue      string
	Kinds      []string // nil for all
	From       time.Time
	Now        *time.Time // nil for the database's
	Limit      int
	Client     string
	MaxClients int // how many clients a job keeps the names of
}

// ClaimJobs makes jobs running as River's fetch does (River 0.51, JobGetAvailable), but reads only
// those that might have run since From. It returns their ids.
func ClaimJobs(ctx context.Context, q db.Querier, c Claim) ([]int64, error) {
	rows, err := q.Query(ctx, `
		WITH claimed AS (
			SELECT id
			FROM river_job
			WHERE state = 'available'
				AND queue = $1
				AND ($2::text[] IS NULL OR kind = ANY($2))
				AND scheduled_at >= $3
				AND scheduled_at <= coalesce($4::timestamptz, now())
			ORDER BY priority, scheduled_at, id
			LIMIT $5
			FOR UPDATE SKIP LOCKED
		)
		UPDATE river_job
		SET
			state = 'running',
			attempt = attempt + 1,
			attempted_at = coalesce($4, now()),
			attempted_by = array_append(
				CASE WHEN cardinality(attempted_by) >= $7::int THEN attempted_by[cardinality(attempted_by) + 2 - $7:] ELSE attempted_by END,
				$6::text)
		FROM claimed
		WHERE river_job.id = claimed.id
		RETURNING river_job.id`, c.Queue, c.Kinds, c.From, c.Now, c.Limit, c.Client, c.MaxClients)
	if err != nil {
		return nil, fmt.Errorf("claim jobs: %w", err)
	}

	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("claim jobs: %w", err)
	}

	return ids, nil
}
