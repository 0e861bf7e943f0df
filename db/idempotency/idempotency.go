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
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/order"
)

// PlaceOrder is the operation of the keys of orders. Programs of the release before write keys
// of no other.
const PlaceOrder = "place-order"

// A Request is a request that is to be done once.
type Request struct {
	Client    string // who sends it: two clients may use one key. Empty for nobody: then the key is everybody's
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

	if first, used := earlier[r.id()]; used {
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
	Operation string
	Hash      []byte
	Result    []byte    // of the request; nil if it is to be read anew
	OrderID   uuid.UUID // that was placed; zero for none
	Foreign   bool      // it is another client's, and the key is free for this one, in its own scope
}

// Check refuses a request whose key belongs to another request. A key from before hashes were
// kept has none.
func (r Request) Check(first Record) error {
	if first.Operation != r.Operation || len(first.Hash) > 0 && !bytes.Equal(first.Hash, r.Hash) {
		return order.Errorf(order.KeyReused, "This Idempotency-Key was sent with another request; use a new key for each request.")
	}

	return nil
}
