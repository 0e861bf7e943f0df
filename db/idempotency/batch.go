package idempotency

import (
	"context"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/groupcommit"
)

// Batch makes each request of a batch happen once for its key. do does the requests; if it
// refuses one, its key stays free. again returns the results of requests that were done before.
func Batch[In, Out any](of func(In) Request, do, again groupcommit.Batch[In, Out]) groupcommit.Batch[In, Out] {
	return func(ctx context.Context, tx pgx.Tx, items []In) ([]groupcommit.Result[Out], error) {
		b := batch[In, Out]{items: items, requests: make([]Request, len(items)), results: make([]groupcommit.Result[Out], len(items))}

		left := make([]int, len(items))
		for i, item := range items {
			b.requests[i], left[i] = of(item), i
		}

		for len(left) > 0 { // more than once only if several requests of the batch have one key
			var first []int

			first, left = b.firstOfEachKey(left)

			if err := b.run(ctx, tx, first, do, again); err != nil {
				return nil, err
			}
		}

		return b.results, nil
	}
}

type batch[In, Out any] struct {
	items    []In
	requests []Request
	results  []groupcommit.Result[Out]
}

// firstOfEachKey are the first request of each key and those without a key. The others wait
// for the first, as they would in another transaction.
func (b *batch[In, Out]) firstOfEachKey(items []int) (first, left []int) {
	seen := map[ID]bool{}

	for _, i := range items {
		id := b.requests[i].id()
		if id.Key != "" && seen[id] {
			left = append(left, i)

			continue
		}

		first, seen[id] = append(first, i), true
	}

	return first, left
}

// run claims the keys of the requests and does those whose keys were free.
func (b *batch[In, Out]) run(ctx context.Context, tx pgx.Tx, items []int, do, again groupcommit.Batch[In, Out]) error {
	var keyed []Request

	for _, i := range items {
		if b.requests[i].Key != "" {
			keyed = append(keyed, b.requests[i])
		}
	}

	earlier, err := claim(ctx, tx, keyed)
	if err != nil {
		return err
	}

	var fresh, used []int

	for _, i := range items {
		if first, isUsed := earlier[b.requests[i].id()]; !isUsed {
			fresh = append(fresh, i)
		} else if b.results[i].Err = b.requests[i].Check(first); b.results[i].Err == nil {
			used = append(used, i)
		}
	}

	if err := b.apply(ctx, tx, fresh, do); err != nil {
		return err
	}

	if err := b.free(ctx, tx, fresh); err != nil || len(used) == 0 {
		return err
	}

	if err := b.apply(ctx, tx, used, again); err != nil {
		return err
	}

	return db.AwaitStandby(ctx, tx)
}

// apply puts the results of the items into their places.
func (b *batch[In, Out]) apply(ctx context.Context, tx pgx.Tx, items []int, do groupcommit.Batch[In, Out]) error {
	if len(items) == 0 {
		return nil
	}

	list := make([]In, len(items))
	for n, i := range items {
		list[n] = b.items[i]
	}

	results, err := do(ctx, tx, list)
	if err != nil {
		return err
	}

	for n, i := range items {
		b.results[i] = results[n]
	}

	return nil
}

// free frees the keys of the requests that were refused.
func (b *batch[In, Out]) free(ctx context.Context, tx pgx.Tx, items []int) error {
	var ids []ID

	for _, i := range items {
		if id := b.requests[i].id(); id.Key != "" && b.results[i].Err != nil {
			ids = append(ids, id)
		}
	}

	return Free(ctx, tx, ids)
}
