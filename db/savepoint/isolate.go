// Package savepoint does work under savepoints, so that what fails leaves the rest in place.
package savepoint

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/pipeline"
	"orders/db/tally"
)

// Bounds of [IsolateLocked]. A forgotten session may lock a row for hours, so it waits for
// locks shortly, and gives up to tell items apart before its caller's time is over.
const (
	lockTimeout = time.Second
	tellFor     = 20 * time.Second
)

// Faults are the items that were left out, and the error of each.
type Faults[T any] struct {
	Items []T
	Errs  []error
}

// First is the first of the errors; nil if there are none.
func (f Faults[T]) First() error {
	if len(f.Errs) == 0 {
		return nil
	}

	return f.Errs[0]
}

// Isolate does the work for the items under a savepoint. If that fails, it does the work for
// each half of them, until an item at fault is alone. The effects for the others stay, and
// the items at fault are returned. A fault of the server is no item's, and is the error.
func Isolate[T any](ctx context.Context, tx pgx.Tx, items []T, do func(tx pgx.Tx, items []T) error) (Faults[T], error) {
	i := isolation[T]{do: do}

	err := i.halve(ctx, tx, items)

	return i.faults, err
}

// IsolateLocked is [Isolate] for sweeps: an item whose rows another session has locked is at
// fault, too. When its time is over, it tells the items that are left no longer apart.
func IsolateLocked[T any](ctx context.Context, tx pgx.Tx, items []T, do func(tx pgx.Tx, items []T) error) (Faults[T], error) {
	err := pipeline.Exec(ctx, tx, "bound the wait for locks", fmt.Sprintf(`SET LOCAL lock_timeout = %d`, lockTimeout.Milliseconds()))
	if err != nil {
		return Faults[T]{}, err
	}

	i := isolation[T]{do: do, locked: true, until: time.Now().Add(tellFor)}

	err = i.halve(ctx, tx, items)

	return i.faults, err
}

type isolation[T any] struct {
	do     func(tx pgx.Tx, items []T) error
	locked bool      // a lock that is not available is an item's fault
	until  time.Time // for locked
	faults Faults[T]
}

func (i *isolation[T]) halve(ctx context.Context, tx pgx.Tx, items []T) error {
	if len(items) == 0 {
		return nil
	}

	undo := tally.Mark(ctx)

	err := pgx.BeginFunc(ctx, tx, func(nested pgx.Tx) error { return i.do(nested, items) })
	if err != nil {
		undo()
	}

	switch {
	case err == nil:
		return nil
	case db.Unavailable(err) && (!i.locked || !db.LockNotAvailable(err)):
		return err
	case len(items) == 1 || i.locked && time.Now().After(i.until):
		for _, item := range items {
			i.faults.Items, i.faults.Errs = append(i.faults.Items, item), append(i.faults.Errs, err)
		}

		return nil
	}

	half := len(items) / 2
	if err := i.halve(ctx, tx, items[:half]); err != nil {
		return err
	}

	return i.halve(ctx, tx, items[half:])
}
