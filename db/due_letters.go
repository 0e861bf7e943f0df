package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A DueLetter is a dead letter that the system is to do something about.
type DueLetter struct {
	JobID    int64
	Kind     string
	OrderID  *uuid.UUID
	Reason   Reason
	Error    string
	Redrives int
}

// Due is what is to be done about dead letters.
type Due string

// What may be due. Those that may be well another time wait, at first for the
// first of redriveAfter ($1), after the first redrive for the second, and so on.
// Poison is among them: when a process ends, all that it ran is suspected.
const (
	DueForRedrive   Due = passing + ` AND dead_at <= now() - ($1::interval[])[redrives + 1]`
	DueToFail       Due = spent + ` AND kind = 'inventory' AND order_id IS NOT NULL`
	DueForAttention Due = spent + ` AND (kind <> 'inventory' OR order_id IS NULL)`

	passing = `reason IN ('transient', 'poison')`
	spent   = `(NOT ` + passing + ` OR redrives >= cardinality($1::interval[]))`
)

// LockDueLetters locks at most limit open letters for which it is time, the
// oldest first. Letters that a person has been asked about are left to them,
// letters that are locked to whoever did.
func LockDueLetters(ctx context.Context, tx pgx.Tx, due Due, redriveAfter []time.Duration, limit int) ([]DueLetter, error) {
	return lockLetters(ctx, tx, `attention_at IS NULL AND `+string(due)+` ORDER BY dead_at, job_id`, redriveAfter, limit)
}

// LockAskedLetters locks at most limit open letters that a person was asked about,
// any of them: those that stay open must not stand before the others for good.
func LockAskedLetters(ctx context.Context, tx pgx.Tx, limit int) ([]DueLetter, error) {
	return lockLetters(ctx, tx, `attention_at IS NOT NULL AND $1::interval[] IS NULL ORDER BY random()`, nil, limit)
}

func lockLetters(ctx context.Context, tx pgx.Tx, condition string, redriveAfter []time.Duration, limit int) ([]DueLetter, error) {
	rows, err := tx.Query(ctx, `
		SELECT job_id, kind, order_id, reason, error, redrives
		FROM dead_letters
		WHERE resolved_at IS NULL
			AND `+condition+`
		LIMIT $2
		FOR NO KEY UPDATE SKIP LOCKED`, redriveAfter, limit)
	if err != nil {
		return nil, fmt.Errorf("lock dead letters: %w", err)
	}

	letters, err := pgx.CollectRows(rows, pgx.RowToStructByName[DueLetter])
	if err != nil {
		return nil, fmt.Errorf("lock dead letters: %w", err)
	}

	return letters, nil
}

// AskForAttention marks letters that only a person can judge.
func AskForAttention(ctx context.Context, tx pgx.Tx, jobIDs []int64) error {
	_, err := tx.Exec(ctx, `
		UPDATE dead_letters
		SET attention_at = now()
		WHERE job_id = ANY($1)`, jobIDs)
	if err != nil {
		return fmt.Errorf("ask for attention: %w", err)
	}

	return nil
}

// needAttention returns those of the orders that have a letter a person was asked about.
func needAttention(ctx context.Context, q Querier, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	rows, err := q.Query(ctx, `
		SELECT DISTINCT order_id
		FROM dead_letters
		WHERE order_id = ANY($1)
			AND resolved_at IS NULL
			AND attention_at IS NOT NULL`, ids)
	if err != nil {
		return nil, fmt.Errorf("read attention: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("read attention: %w", err)
	}

	need := make(map[uuid.UUID]bool, len(list))
	for _, id := range list {
		need[id] = true
	}

	return need, nil
}
