package deadletter

import (
	"context"
	"encoding/json"
	"fmt"
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

// where are the filter's conditions, and that of the state.
func (f Filter) where(state State) *db.Where {
	w := &db.Where{}

	switch state {
	case Open:
		w.Bare("resolved_at IS NULL")
	case Resolved:
		w.Bare("resolved_at IS NOT NULL")
	case All:
	}

	w.If(f.Kind != "", "kind = ?", f.Kind)
	w.If(f.Reason != "", "reason = ?", f.Reason)
	w.If(f.Signature != "", "signature = ?", f.Signature)
	w.If(f.OrderID != uuid.Nil, "order_id = ?", f.OrderID)
	w.Between("dead_at", f.Since, f.Until)

	return w
}

// List lists dead letters, the newest first: at most limit letters that follow the
// position after (nil for the first page).
func List(
	ctx context.Context, q db.Querier, f Filter, state State, after *Position, limit int,
) ([]Letter, error) {
	where := f.where(state)

	if after != nil {
		where.Bare("(dead_at, job_id) < (" + where.Value(after.DeadAt) + ", " + where.Value(after.JobID) + ")")
	}

	most := where.Value(limit)

	rows, err := q.Query(ctx, `
		SELECT `+letterColumns+`
		FROM dead_letters
		WHERE `+where.String()+`
		ORDER BY dead_at DESC, job_id DESC
		LIMIT `+most, where.Args...)
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
	where := f.where(Open)
	most := where.Value(limit)

	rows, err := q.Query(ctx, `
		SELECT job_id
		FROM dead_letters
		WHERE `+where.String()+`
		ORDER BY dead_at, job_id
		LIMIT `+most, where.Args...)
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
