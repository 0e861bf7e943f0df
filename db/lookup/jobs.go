package lookup

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
)

// A Job is a live job of an order, with the errors of its attempts.
type Job struct {
	Kind        string // the step, or expire
	ID          int64
	State       string // River's
	Attempt     int
	ScheduledAt time.Time
	AttemptedAt *time.Time
	Worker      string // the one that runs it, or ran it last; empty for none
	Errors      []AttemptError
}

// An AttemptError is the error of an attempt, as River recorded it.
type AttemptError struct {
	At      time.Time `json:"at"`
	Attempt int       `json:"attempt"`
	Error   string    `json:"error"`
}

// NewestError is the text of the newest failed attempt; empty without any.
func (j Job) NewestError() string {
	if len(j.Errors) == 0 {
		return ""
	}

	return j.Errors[len(j.Errors)-1].Error
}

// Jobs lists the live jobs of an order.
func Jobs(ctx context.Context, q db.Querier, orderID uuid.UUID) ([]Job, error) {
	rows, err := q.Query(ctx, `
		SELECT o.kind, j.id, j.state::text AS state, j.attempt::int AS attempt, j.scheduled_at, j.attempted_at,
			coalesce(j.attempted_by[array_upper(j.attempted_by, 1)], '') AS worker,
			coalesce(to_jsonb(j.errors), '[]') AS errors
		FROM order_jobs AS o
		CROSS JOIN LATERAL (
			SELECT id, state, attempt, scheduled_at, attempted_at, attempted_by, errors
			FROM live_jobs
			WHERE unique_key = ANY(o.unique_keys)
			OFFSET 0 -- one index look-up a step
		) AS j
		WHERE o.order_id = $1
		ORDER BY j.id`, orderID)
	if err != nil {
		return nil, fmt.Errorf("read jobs of an order: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Job])
	if err != nil {
		return nil, fmt.Errorf("read jobs of an order: %w", err)
	}

	return list, nil
}
