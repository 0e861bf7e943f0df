package db

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
)

// A LetterFilter narrows dead letters; a zero field does not.
type LetterFilter struct {
	Kind      string
	Reason    Reason
	Signature string
	OrderID   uuid.UUID
}

// A LetterState says whether letters are still to be resolved.
type LetterState string

// The states of a dead letter.
const (
	LettersOpen     LetterState = "open"
	LettersResolved LetterState = "resolved"
	LettersAll      LetterState = "all"
)

// A LetterPosition is where a page of dead letters ended.
type LetterPosition struct {
	DeadAt time.Time `json:"dead_at"`
	JobID  int64     `json:"job_id"`
}

// conditions are the filter's, with their arguments.
func (f LetterFilter) conditions(state LetterState) (conditions []string, args []any) {
	where := func(column string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, column+" = $"+strconv.Itoa(len(args)))
	}

	switch state {
	case LettersOpen:
		conditions = append(conditions, "resolved_at IS NULL")
	case LettersResolved:
		conditions = append(conditions, "resolved_at IS NOT NULL")
	case LettersAll:
		conditions = append(conditions, "true")
	}

	if f.Kind != "" {
		where("kind", f.Kind)
	}

	if f.Reason != "" {
		where("reason", string(f.Reason))
	}

	if f.Signature != "" {
		where("signature", f.Signature)
	}

	if f.OrderID != uuid.Nil {
		where("order_id", f.OrderID)
	}

	return conditions, args
}

// DeadLetters lists dead letters, those that died last first, at most limit of
// those behind after (nil for the first page).
func DeadLetters(
	ctx context.Context, q Querier, f LetterFilter, state LetterState, after *LetterPosition, limit int,
) ([]DeadLetter, error) {
	conditions, args := f.conditions(state)

	if after != nil {
		args = append(args, after.DeadAt, after.JobID)
		conditions = append(conditions, fmt.Sprintf("(dead_at, job_id) < ($%d, $%d)", len(args)-1, len(args)))
	}

	args = append(args, limit)

	rows, err := q.Query(ctx, `
		SELECT `+deadLetterColumns+`
		FROM dead_letters
		WHERE `+strings.Join(conditions, " AND ")+`
		ORDER BY dead_at DESC, job_id DESC
		LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}

	letters, err := pgx.CollectRows(rows, pgx.RowToStructByName[DeadLetter])
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}

	return letters, nil
}

// OldestDeadLetters finds the open letters that the filter lets through, at most
// limit of them, those that have waited longest first.
func OldestDeadLetters(ctx context.Context, q Querier, f LetterFilter, limit int) ([]int64, error) {
	conditions, args := f.conditions(LettersOpen)
	args = append(args, limit)

	rows, err := q.Query(ctx, `
		SELECT job_id
		FROM dead_letters
		WHERE `+strings.Join(conditions, " AND ")+`
		ORDER BY dead_at, job_id
		LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("find dead letters: %w", err)
	}

	jobIDs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("find dead letters: %w", err)
	}

	return jobIDs, nil
}

// A DeadLetterWhole is a dead letter with all that is known of it.
type DeadLetterWhole struct {
	DeadLetter

	Args           json.RawMessage `json:"args" doc:"What the job carried"`
	Errors         []AttemptError  `json:"errors" nullable:"false" doc:"The errors of all runs, the oldest first"`
	RedriveHistory []Redrive       `json:"redrive_history" nullable:"false" db:"-" doc:"Who asked for redrives of it, and what came of them"`
	RedriveOf      *int64          `json:"redrive_of" db:"-" doc:"The dead letter whose work this job had; null when it was no redrive"`
}

// An AttemptError is how one run of a job failed, as River has recorded it.
type AttemptError struct {
	At      time.Time `json:"at"`
	Attempt int       `json:"attempt"`
	Error   string    `json:"error"`
	Trace   string    `json:"trace" doc:"The stack of a panic, else empty"`
}

// ReadDeadLetter reads one letter whole; [order.NotFound] when there is none.
func ReadDeadLetter(ctx context.Context, q Querier, jobID int64) (DeadLetterWhole, error) {
	rows, err := q.Query(ctx, `
		SELECT `+deadLetterColumns+`, args, errors
		FROM dead_letters
		WHERE job_id = $1`, jobID)
	if err != nil {
		return DeadLetterWhole{}, fmt.Errorf("read dead letter: %w", err)
	}

	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[DeadLetterWhole])
	if err != nil {
		return DeadLetterWhole{}, fmt.Errorf("read dead letter: %w", err)
	}

	if len(found) == 0 {
		return DeadLetterWhole{}, order.Errorf(order.NotFound, "There is no dead letter of job %d.", jobID)
	}

	letter := found[0]

	if letter.RedriveHistory, err = redrivesOfLetter(ctx, q, jobID); err != nil {
		return letter, err
	}

	letter.RedriveOf, err = redriveOf(ctx, q, jobID)

	return letter, err
}
