// Package idempotency makes a request happen once for its Idempotency-Key. The key's row is
// written in the transaction of what the request does. It is the lock on which another request
// with the key waits, and it is there exactly if the request was done.
//
// [Do] and [InTx] are for one request, whose result they keep. [Batch] is for many requests of
// a group commit. Placing writes the keys with the orders, in one statement, and then uses
// [Find] and [Request.Check].
package idempotency

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/pipeline"
	"orders/order"
)

// Scope is whose keys these are. All keys are of one scope until clients have names; each key
// then belongs to its client.
const Scope = "orders"

// PlaceOrder is the operation of the keys of orders. Programs of the release before write keys
// of no other.
const PlaceOrder = "place-order"

// A Request is a request that is to be done once.
type Request struct {
	Key       string // empty if the request may be done again
	Operation string // what is requested
	Hash      []byte // of all that the result depends on, by [HashOf]
}

// HashOf is the hash of a request with these parts.
func HashOf(parts ...any) ([]byte, error) {
	encoded, err := json.Marshal(parts)
	if err != nil {
		return nil, fmt.Errorf("hash request: %w", err)
	}

	hash := sha256.Sum256(encoded)

	return hash[:], nil
}

// InTx does a request in a transaction of its own. See [Do].
func InTx[T any](ctx context.Context, pool *pgxpool.Pool, r Request, do func(tx pgx.Tx) (T, error)) (result T, replayed bool, err error) {
	err = db.InTx(ctx, pool, func(tx pgx.Tx) (err error) {
		result, replayed, err = Do(ctx, tx, r, func() (T, error) { return do(tx) })

		return err
	})

	return result, replayed, err
}

// Do does a request, and keeps its result under its key. If an earlier request with the key
// was done, Do returns the result of that. It refuses the key of another request with
// [order.KeyReused]. After an error the transaction must be rolled back, which frees the key.
func Do[T any](ctx context.Context, tx pgx.Tx, r Request, do func() (T, error)) (result T, replayed bool, err error) {
	if r.Key == "" {
		result, err = do()

		return result, false, err
	}

	earlier, err := claim(ctx, tx, []Request{r})
	if err != nil {
		return result, false, err
	}

	if first, used := earlier[r.Key]; used {
		return replay[T](ctx, tx, r, first)
	}

	if result, err = do(); err != nil {
		return result, false, err
	}

	return result, false, keep(ctx, tx, r, result)
}

// replay returns the result of an earlier request.
func replay[T any](ctx context.Context, tx pgx.Tx, r Request, first Record) (result T, replayed bool, err error) {
	if err := r.Check(first); err != nil {
		return result, false, err
	}

	if err := json.Unmarshal(first.Result, &result); err != nil {
		return result, false, fmt.Errorf("decode result: %w", err)
	}

	return result, true, db.AwaitStandby(ctx, tx)
}

// A Record is the row of a key.
type Record struct {
	Key       string
	Operation string
	Hash      []byte
	Result    []byte    // of the request; nil if it is to be read anew
	OrderID   uuid.UUID // that was placed; zero for none
}

// Check refuses a request whose key belongs to another request. A key from before hashes were
// kept has none.
func (r Request) Check(first Record) error {
	if first.Operation != r.Operation || len(first.Hash) > 0 && !bytes.Equal(first.Hash, r.Hash) {
		return order.Errorf(order.KeyReused, "This Idempotency-Key was sent with another request; use a new key for each request.")
	}

	return nil
}

// claim writes the keys of requests, each once, and returns the rows of those that were not free. It
// waits for a transaction that is writing one of the keys.
func claim(ctx context.Context, tx pgx.Tx, requests []Request) (map[string]Record, error) {
	if len(requests) == 0 {
		return nil, nil //nolint:nilnil // none has a row
	}

	keys, operations := make([]string, len(requests)), make([]string, len(requests))
	hashes := make([][]byte, len(requests))

	for i, r := range requests {
		keys[i], operations[i], hashes[i] = r.Key, r.Operation, r.Hash
	}

	// In key order: two transactions that claim the same keys must not wait for each other.
	rows, err := tx.Query(ctx, `
		INSERT INTO idempotency_keys (scope, key, operation, request_hash)
		SELECT $1, k.key, k.operation, k.request_hash
		FROM unnest($2::text[], $3::text[], $4::bytea[]) AS k (key, operation, request_hash)
		ORDER BY k.key
		ON CONFLICT DO NOTHING
		RETURNING key`, Scope, keys, operations, hashes)
	if err != nil {
		return nil, fmt.Errorf("claim idempotency keys: %w", err)
	}

	claimed, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("claim idempotency keys: %w", err)
	}

	earlier, err := Find(ctx, tx, slices.DeleteFunc(keys, func(key string) bool { return slices.Contains(claimed, key) }))
	if err == nil && len(earlier)+len(claimed) != len(requests) {
		err = ErrPruned
	}

	return earlier, err
}

// ErrPruned says that a key was pruned at the moment of its last use. The request can be sent
// again.
var ErrPruned = errors.New("idempotency key was not free, and then not found: it was pruned in between")

// Find reads the rows of those of the keys that are used. After a claim it must be a statement
// of its own: the claim waited for the transaction that wrote a key, but its snapshot is older.
func Find(ctx context.Context, q db.Querier, keys []string) (map[string]Record, error) {
	found := make(map[string]Record, len(keys))
	if len(keys) == 0 {
		return found, nil
	}

	rows, err := q.Query(ctx, `
		SELECT
			key, operation, request_hash AS hash, result, coalesce(order_id, '00000000-0000-0000-0000-000000000000') AS order_id
		FROM idempotency_keys
		WHERE scope = $1
			AND key = ANY($2)`, Scope, keys)
	if err != nil {
		return nil, fmt.Errorf("find idempotency keys: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Record])
	if err != nil {
		return nil, fmt.Errorf("find idempotency keys: %w", err)
	}

	for _, r := range list {
		found[r.Key] = r
	}

	return found, nil
}

// keep writes the result of a request that has claimed its key.
func keep(ctx context.Context, tx pgx.Tx, r Request, result any) error {
	encoded, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}

	return pipeline.Exec(ctx, tx, "keep result", `
		UPDATE idempotency_keys
		SET result = $3
		WHERE scope = $1
			AND key = $2`, Scope, r.Key, encoded)
}

// Free frees keys that this transaction has claimed.
func Free(ctx context.Context, tx pgx.Tx, keys []string) error {
	if len(keys) == 0 {
		return nil
	}

	return pipeline.Exec(ctx, tx, "free idempotency keys", `
		DELETE FROM idempotency_keys
		WHERE scope = $1
			AND key = ANY($2)`, Scope, keys)
}
