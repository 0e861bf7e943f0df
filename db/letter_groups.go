package db

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A LetterGroup is open letters of one kind that died of the same.
type LetterGroup struct {
	Kind      string    `json:"kind"`
	Signature string    `json:"signature" doc:"The kind and the error, without what differs from letter to letter"`
	Count     int64     `json:"count"`
	Attention int64     `json:"attention" doc:"How many of them wait for a person"`
	FirstAt   time.Time `json:"first_at" doc:"When the first of them died"`
	LastAt    time.Time `json:"last_at" doc:"When the last of them died"`
	Error     string    `json:"error" doc:"The error of the last, whole"`
	Samples   []int64   `json:"samples" nullable:"false" doc:"The job ids of the last, 5 at most"`
}

// LetterGroups groups the open letters that the filter lets through by kind and
// signature, the largest groups first, at most limit.
func LetterGroups(ctx context.Context, q Querier, f LetterFilter, limit int) ([]LetterGroup, error) {
	conditions, args := f.conditions(LettersOpen)
	condition := strings.Join(conditions, " AND ")
	args = append(args, limit)

	rows, err := q.Query(ctx, `
		SELECT g.kind, g.signature, g.count, g.attention, g.first_at, g.last_at, sample.errors[1] AS error, sample.job_ids AS samples
		FROM (
			SELECT kind, signature, count(*) AS count, count(attention_at) AS attention, min(dead_at) AS first_at, max(dead_at) AS last_at
			FROM dead_letters
			WHERE `+condition+`
			GROUP BY kind, signature
			ORDER BY count DESC, kind, signature
			LIMIT $`+strconv.Itoa(len(args))+`
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
		ORDER BY g.count DESC, g.kind, g.signature`, args...)
	if err != nil {
		return nil, fmt.Errorf("group dead letters: %w", err)
	}

	groups, err := pgx.CollectRows(rows, pgx.RowToStructByName[LetterGroup])
	if err != nil {
		return nil, fmt.Errorf("group dead letters: %w", err)
	}

	return groups, nil
}
