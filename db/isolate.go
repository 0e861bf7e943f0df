package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Bounds of [Isolate]. A forgotten session may lock a row for hours, so it waits for locks
// shortly, and gives up to tell items apart before its caller's time is over.
const (
	isolateLockTimeout = time.Second
	isolateFor         = 20 * time.Second
)

// Faults are the items that were left out because of their errors.
type Faults[T any] struct {
	Items []T
	First error // of their errors; nil if there are none
}

// Isolate does the work for the items under a savepoint. If that fails, it does the work for
// each half of them, until an item at fault is alone. The effects for the others stay, and
// the items at fault are returned. A fault of the server is no item's, and is the error.
func Isolate[T any](ctx context.Context, tx pgx.Tx, items []T, do func(tx pgx.Tx, items []T) error) (f Faults[T], err error) {
	if _, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = %d`, isolateLockTimeout.Milliseconds())); err != nil {
		return f, fmt.Errorf("bound the wait for locks: %w", err)
	}

	return f, f.halve(ctx, tx, items, do, time.Now().Add(isolateFor))
}

func (f *Faults[T]) halve(ctx context.Context, tx pgx.Tx, items []T, do func(tx pgx.Tx, items []T) error, until time.Time) error {
	if len(items) == 0 {
		return nil
	}

	err := pgx.BeginFunc(ctx, tx, func(nested pgx.Tx) error { return do(nested, items) })

	switch {
	case err == nil:
		return nil
	case Unavailable(err) && sqlState(err) != lockNotAvailable:
		return err
	case len(items) == 1 || time.Now().After(until):
		f.Items = append(f.Items, items...)

		if f.First == nil {
			f.First = err
		}

		return nil
	}

	half := len(items) / 2
	if err := f.halve(ctx, tx, items[:half], do, until); err != nil {
		return err
	}

	return f.halve(ctx, tx, items[half:], do, until)
}
