package deadletter

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
)

// A Group is the open letters of one kind with one signature.
type Group struct {
	Kind      string
	Signature string
	Count     int64
	Attention int64
	FirstAt   time.Time
	LastAt    time.Time
	Error     string
	Samples   []int64
}

// Groups groups the open letters that match the filter by kind and signature: at most
// limit groups, the largest first.
func Groups(ctx context.Context, q db.Querier, f Filter, limit int) ([]Group, error) {
	where := f.where(Open)
	condition, most := where.String(), where.Value(limit)

	rows, err := q.Query(ctx, `
		SELECT g.kind, g.signature, g.count, g.attention, g.first_at, g.last_at, sample.errors[1] AS error, sample.job_ids AS samples
		FROM (
			SELECT kind, signature, count(*) AS count, count(attention_at) AS attention, min(dead_at) AS first_at, max(dead_at) AS last_at
			FROM dead_letters
			WHERE `+condition+`
			GROUP BY kind, signature
			ORDER BY count DESC, kind, signature
			LIMIT `+most+`
		) AS g
		CROSS JOIN LATERAL (
			SELECT
				array_agg(job_id ORDER BY dead_at DESC, job_id DESC) AS job_ids,
				array_agg(error ORDER BY dead_at DESC, job_id DESC) AS errors
			FROM (
				SELECT job_id, dead_at, error
				FROM dead_letters
				WHERE `+condition+`
					AND kind = g.kind
					AND signature = g.signature
				ORDER BY dead_at DESC, job_id DESC
				LIMIT 5
			) AS last
		) AS sample
		ORDER BY g.count DESC, g.kind, g.signature`, where.Args...)
	if err != nil {
		return nil, fmt.Errorf("group dead letters: %w", err)
	}

	groups, err := pgx.CollectRows(rows, pgx.RowToStructByName[Group])
	if err != nil {
		return nil, fmt.Errorf("group dead letters: %w", err)
	}

	return groups, nil
}
