package deadletter

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// A Filter selects dead letters; a zero field matches all.
type Filter struct {
	Kind      string
	Reason    Reason
	Signature string
	OrderID   uuid.UUID
	Since     order.Moment `json:"since,omitzero"` // given up then or later
	Until     order.Moment `json:"until,omitzero"` // given up before
}

// A State says whether a letter is resolved.
type State string

// The states of a dead letter.
const (
	Open     State = "open"
	Resolved State = "resolved"
	All      State = "all"
)

// A Position is where a page of dead letters ended.
type Position struct {
	DeadAt time.Time
	JobID  int64
}

// conditions are the filter's conditions in SQL, with their arguments.
func (f Filter) conditions(state State) (conditions []string, args []any) {
	where := func(column string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, column+" = $"+strconv.Itoa(len(args)))
	}

	switch state {
	case Open:
		conditions = append(conditions, "resolved_at IS NULL")
	case Resolved:
		conditions = append(conditions, "resolved_at IS NOT NULL")
	case All:
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

	when := func(operator string, m order.Moment) {
		if m != (order.Moment{}) {
			expression, value := db.MomentSQL(m, len(args)+1)
			args = append(args, value)
			conditions = append(conditions, "dead_at "+operator+" "+expression)
		}
	}

	when(">=", f.Since)
	when("<", f.Until)

	return conditions, args
}

// List lists dead letters, the newest first: at most limit letters that follow the
// position after (nil for the first page).
func List(
	ctx context.Context, q db.Querier, f Filter, state State, after *Position, limit int,
) ([]Letter, error) {
	conditions, args := f.conditions(state)

	if after != nil {
		args = append(args, after.DeadAt, after.JobID)
		conditions = append(conditions, fmt.Sprintf("(dead_at, job_id) < ($%d, $%d)", len(args)-1, len(args)))
	}

	args = append(args, limit)

	rows, err := q.Query(ctx, `
		SELECT `+letterColumns+`
		FROM dead_letters
		WHERE `+strings.Join(conditions, " AND ")+`
		ORDER BY dead_at DESC, job_id DESC
		LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}

	letters, err := pgx.CollectRows(rows, pgx.RowToStructByName[Letter])
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}

	return letters, nil
}

// Oldest finds the open letters that match the filter: at most limit, the oldest first.
func Oldest(ctx context.Context, q db.Querier, f Filter, limit int) ([]int64, error) {
	conditions, args := f.conditions(Open)
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

// A Detail is a dead letter with its job, its errors and its redrives.
type Detail struct {
	Letter

	Args           json.RawMessage
	Errors         []AttemptError
	RedriveHistory []Redrive `db:"-"`
	RedriveOf      *int64    `db:"-"`
}

// An AttemptError is how an attempt of a job failed, as River recorded it, with its
// code.
type AttemptError struct {
	At      time.Time
	Attempt int
	Error   string
	Code    order.Code // as the worker gave it
	Trace   string
}

// Read reads one letter; [order.NotFound] when there is none.
func Read(ctx context.Context, q db.Querier, jobID int64) (Detail, error) {
	rows, err := q.Query(ctx, `
		SELECT `+letterColumns+`, args, errors
		FROM dead_letters
		WHERE job_id = $1`, jobID)
	if err != nil {
		return Detail{}, fmt.Errorf("read dead letter: %w", err)
	}

	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Detail])
	if err != nil {
		return Detail{}, fmt.Errorf("read dead letter: %w", err)
	}

	if len(found) == 0 {
		return Detail{}, order.Errorf(order.NotFound, "There is no dead letter of job %d.", jobID)
	}

	letter := found[0]

	if letter.RedriveHistory, err = redrivesOfLetter(ctx, q, jobID); err != nil {
		return letter, err
	}

	letter.RedriveOf, err = redriveOf(ctx, q, jobID)

	return letter, err
}

// HasKind tells whether there is a letter of the kind.
func HasKind(ctx context.Context, q db.Querier, kind string) (has bool, err error) {
	if err := q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM dead_letters WHERE kind = $1)`, kind).Scan(&has); err != nil {
		return false, fmt.Errorf("look for kind: %w", err)
	}

	return has, nil
}
