package deadletter

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
)

// A DueLetter is a dead letter for which the system must act now.
type DueLetter struct {
	JobID    int64
	Kind     string
	OrderID  *uuid.UUID
	Reason   Reason
	Error    string
	Redrives int
}

// An Action is what the system does about a dead letter by itself.
type Action string

// The actions. A letter whose cause may pass waits before each redrive: before the first
// redrive for the first duration of $1 (RedriveAfter), before the second redrive for the
// second duration, and so on. $2 has the kinds whose death fails the order. $3 has the
// reasons that may pass.
const (
	ToRedrive   Action = passing + ` AND dead_at <= now() - ($1::interval[])[redrives + 1] AND $2::text[] IS NOT NULL`
	ToFail      Action = spent + ` AND kind = ANY($2) AND order_id IS NOT NULL`
	ToAttention Action = spent + ` AND (kind <> ALL($2) OR order_id IS NULL)`

	passing = `reason = ANY($3)` //nolint:gosec // a condition, no credentials
	spent   = `(NOT ` + passing + ` OR redrives >= cardinality($1::interval[]))`
)

// Rules decide what the system does about dead letters.
type Rules struct {
	RedriveAfter []time.Duration // how long a letter waits before each automatic redrive
	FailOrder    []string        // kinds whose death fails the order; others need attention
}

// LockDue locks at most limit open letters for which an action is due, the oldest
// first. It skips letters that need attention, because operators decide about them, and
// letters that another transaction has locked.
func LockDue(ctx context.Context, tx pgx.Tx, action Action, rules Rules, limit int) ([]DueLetter, error) {
	return lockLetters(ctx, tx, `
			AND attention_at IS NULL
			AND `+string(action)+`
		ORDER BY dead_at, job_id
		LIMIT $4`, rules.RedriveAfter, rules.FailOrder, passingReasons, limit)
}

// LockNeedingAttention locks at most limit open letters that need attention, in random
// order, so that letters that stay open do not always come before the others.
func LockNeedingAttention(ctx context.Context, tx pgx.Tx, limit int) ([]DueLetter, error) {
	return lockLetters(ctx, tx, `
			AND attention_at IS NOT NULL
		ORDER BY random()
		LIMIT $1`, limit)
}

func lockLetters(ctx context.Context, tx pgx.Tx, condition string, args ...any) ([]DueLetter, error) {
	rows, err := tx.Query(ctx, `
		SELECT job_id, kind, order_id, reason, error, redrives
		FROM dead_letters
		WHERE resolved_at IS NULL
			`+condition+`
		FOR NO KEY UPDATE SKIP LOCKED`, args...)
	if err != nil {
		return nil, fmt.Errorf("lock dead letters: %w", err)
	}

	letters, err := pgx.CollectRows(rows, pgx.RowToStructByName[DueLetter])
	if err != nil {
		return nil, fmt.Errorf("lock dead letters: %w", err)
	}

	return letters, nil
}

// NeedAttention marks letters about which an operator must decide.
func NeedAttention(ctx context.Context, tx pgx.Tx, jobIDs []int64) error {
	return pipeline.Exec(ctx, tx, "mark for attention", `
		UPDATE dead_letters
		SET attention_at = now()
		WHERE job_id = ANY($1)`, jobIDs)
}

// maxSweepFailures is how many sweeps may fail for a letter before an operator must decide.
const maxSweepFailures = 3

// SweepFailed records that a sweep could not do what is due for the letters.
func SweepFailed(ctx context.Context, tx pgx.Tx, jobIDs []int64) error {
	if len(jobIDs) == 0 {
		return nil
	}

	return pipeline.Exec(ctx, tx, "record failed sweep", `
		UPDATE dead_letters
		SET sweep_failures = sweep_failures + 1,
			attention_at = CASE WHEN sweep_failures + 1 >= $2 THEN coalesce(attention_at, now()) ELSE attention_at END
		WHERE job_id = ANY($1)`, jobIDs, maxSweepFailures)
}

// An Announced letter is one that is logged.
type Announced struct {
	JobID    int64
	Kind     string
	OrderID  *uuid.UUID
	Attempts int
	Reason   Reason
	Code     string
}

// Announce lists at most limit open letters that no worker has logged, the oldest first, and
// marks them as logged.
func Announce(ctx context.Context, tx pgx.Tx, limit int) ([]Announced, error) {
	rows, err := tx.Query(ctx, `
		UPDATE dead_letters
		SET announced_at = now()
		WHERE job_id IN (
			SELECT job_id
			FROM dead_letters
			WHERE announced_at IS NULL
				AND resolved_at IS NULL
			ORDER BY dead_at, job_id
			LIMIT $1
			FOR NO KEY UPDATE SKIP LOCKED
		)
		RETURNING job_id, kind, order_id, attempts, reason, code`, limit)
	if err != nil {
		return nil, fmt.Errorf("announce dead letters: %w", err)
	}

	letters, err := pgx.CollectRows(rows, pgx.RowToStructByName[Announced])
	if err != nil {
		return nil, fmt.Errorf("announce dead letters: %w", err)
	}

	return letters, nil
}
