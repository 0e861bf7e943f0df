package stats

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Prune deletes the counts of minutes that are past [Retention], at most limit of each table and
// the oldest first. It returns how many rows it deleted of the table with the most.
func Prune(ctx context.Context, tx pgx.Tx, limit int) (most int64, err error) {
	err = tx.QueryRow(ctx, `
		WITH minutes AS (
			DELETE FROM stats_minutes
			WHERE minute IN (SELECT minute FROM stats_minutes WHERE minute < now() - $1::interval ORDER BY minute LIMIT $2)
			RETURNING 1
		), latencies AS (
			DELETE FROM stats_latencies
			WHERE (minute, step) IN (
				SELECT minute, step FROM stats_latencies WHERE minute < now() - $1::interval ORDER BY minute, step LIMIT $2
			)
			RETURNING 1
		), refusals AS (
			DELETE FROM stats_refusals
			WHERE (minute, cause) IN (
				SELECT minute, cause FROM stats_refusals WHERE minute < now() - $1::interval ORDER BY minute, cause LIMIT $2
			)
			RETURNING 1
		), failures AS (
			DELETE FROM job_failures_by_hour
			WHERE (hour, kind, signature) IN (
				SELECT hour, kind, signature
				FROM job_failures_by_hour
				WHERE hour < now() - $1::interval
				ORDER BY hour, kind, signature
				LIMIT $2
			)
			RETURNING 1
		)
		SELECT greatest(
			(SELECT count(*) FROM minutes),
			(SELECT count(*) FROM latencies),
			(SELECT count(*) FROM refusals),
			(SELECT count(*) FROM failures)
		)`,
		Retention, limit).Scan(&most)
	if err != nil {
		return 0, fmt.Errorf("prune statistics: %w", err)
	}

	return most, nil
}
