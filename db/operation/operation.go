// Package operation keeps acts of operators that have an id, so that sending one again changes
// nothing.
package operation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
	"orders/order"
)

// An Operation is an act of an operator that has an id, so that sending it again changes
// nothing.
type Operation struct {
	ID          uuid.UUID
	Act         string
	RequestHash []byte
	Actor       string
}

// Earlier reads the result of an earlier operation with the id; nil for none. If
// that operation had another request, Earlier refuses with
// [order.OperationReused]. Another transaction that runs the operation is waited for.
func Earlier(ctx context.Context, tx pgx.Tx, o Operation) (json.RawMessage, error) {
	err := pipeline.Exec(ctx, tx, "lock operation", `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "operation:"+o.ID.String())
	if err != nil {
		return nil, err
	}

	var (
		result json.RawMessage
		act    string
		hash   []byte
	)

	err = tx.QueryRow(ctx, `
		SELECT act, request_hash, result
		FROM operations
		WHERE id = $1`, o.ID).Scan(&act, &hash, &result)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}

	if err != nil {
		return nil, fmt.Errorf("read operation: %w", err)
	}

	if act != o.Act || hash != nil && !bytes.Equal(hash, o.RequestHash) {
		return nil, order.Errorf(order.OperationReused,
			"This operation id was sent with another request; use a new id for a new operation.")
	}

	return result, nil
}

// Record writes an operation that [Earlier] has not found, with its
// result.
func Record(ctx context.Context, tx pgx.Tx, o Operation, result any) error {
	encoded, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}

	return pipeline.Exec(ctx, tx, "record operation", `
		INSERT INTO operations (id, act, request_hash, result, actor)
		VALUES ($1, $2, $3, $4, $5)`, o.ID, o.Act, o.RequestHash, encoded, o.Actor)
}
