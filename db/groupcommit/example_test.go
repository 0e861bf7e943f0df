package groupcommit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"orders/db/dbtest"
	"orders/db/groupcommit"
)

// insert writes the items of many callers with one statement, and returns for each
// whether its item is new. It refuses an invalid item alone.
func insert(ctx context.Context, tx pgx.Tx, items []int) ([]groupcommit.Result[bool], error) {
	rows, err := tx.Query(ctx, `
		INSERT INTO items (id)
		SELECT id
		FROM unnest($1::int[]) AS i (id)
		WHERE id >= 0
		ORDER BY id -- so that two transactions cannot wait for each other
		ON CONFLICT DO NOTHING
		RETURNING id`, items)
	if err != nil {
		return nil, err
	}

	inserted, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, err
	}

	results := make([]groupcommit.Result[bool], len(items))

	for i, item := range items {
		if item < 0 {
			results[i].Err = errors.New("items count from 0")

			continue
		}

		// Of two equal items in a batch, the first one is new.
		if at := slices.Index(inserted, item); at >= 0 {
			inserted = slices.Delete(inserted, at, at+1)
			results[i].Value = true
		}
	}

	return results, nil
}

func Example() {
	ctx := context.Background()

	pool, drop, err := dbtest.Open(ctx)
	if err != nil {
		fmt.Println(err)

		return
	}
	defer drop()

	group := groupcommit.New(pool, groupcommit.Options{MaxBatch: 100}, insert)
	defer group.Close()

	var (
		callers       sync.WaitGroup
		inserted, old atomic.Int64
	)

	for n := range 200 { // each item twice
		callers.Go(func() {
			isNew, err := group.Do(ctx, n/2)

			switch {
			case err != nil:
				fmt.Println(err)
			case isNew:
				inserted.Add(1)
			default:
				old.Add(1)
			}
		})
	}

	callers.Wait()

	_, err = group.Do(ctx, -1)

	fmt.Printf("%d items were new, %d were there; -1 is refused: %v\n", inserted.Load(), old.Load(), err)
	// Output: 100 items were new, 100 were there; -1 is refused: items count from 0
}
