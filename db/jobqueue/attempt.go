package jobqueue

import (
	"context"

	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
)

// An Attempt is a job that runs, as its worker knows it. It is over when the job does not
// run any more, or when another attempt of it runs: then nothing is done for it here.
type Attempt struct {
	JobID  int64
	Number int
}

// columns are the attempts as arguments of unnest.
func columns(attempts []Attempt) (ids []int64, numbers []int) {
	ids, numbers = make([]int64, len(attempts)), make([]int, len(attempts))
	for i, a := range attempts {
		ids[i], numbers[i] = a.JobID, a.Number
	}

	return ids, numbers
}

// Complete completes the jobs of the attempts. It is for the transaction that has their
// effects: a job is completed if and only if its effects are durable, also on a standby
// that lags behind and is promoted.
func Complete(ctx context.Context, tx pgx.Tx, attempts []Attempt) error {
	if len(attempts) == 0 {
		return nil
	}

	ids, numbers := columns(attempts)

	return pipeline.Exec(ctx, tx, "complete jobs", `
		UPDATE river_job
		SET state = 'completed', finalized_at = now()
		FROM unnest($1::bigint[], $2::int[]) AS a (id, attempt)
		WHERE river_job.id = a.id
			AND river_job.attempt = a.attempt
			AND state = 'running'`, ids, numbers)
}
