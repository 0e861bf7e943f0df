package groupcommit_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/groupcommit"
)

// BenchmarkInsert compares callers who each have a transaction with callers who share
// them: the same statement for one item and for many. The test server does not sync
// its commits to disk, so what is saved here is round trips only.
func BenchmarkInsert(b *testing.B) {
	const callers = 128 // of each processor

	for name, start := range map[string]func(b *testing.B) (do func(ctx context.Context, item int) error){
		"one transaction each": func(b *testing.B) func(context.Context, int) error {
			b.Helper()

			pool, err := db.Open(b.Context(), dbtest.URL(b))
			if err != nil {
				b.Fatal(err)
			}

			b.Cleanup(pool.Close)

			return func(ctx context.Context, item int) error {
				return db.InTx(ctx, pool, func(tx pgx.Tx) error {
					return dbtest.Err(insert(ctx, tx, []int{item}))
				})
			}
		},
		"group": func(b *testing.B) func(context.Context, int) error {
			b.Helper()

			group := newGroup(b, groupcommit.Options{}, insert)

			return func(ctx context.Context, item int) error { return dbtest.Err(group.Do(ctx, item)) }
		},
	} {
		b.Run(name, func(b *testing.B) {
			do := start(b)

			var item atomic.Int64

			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := do(b.Context(), int(item.Add(1))); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
		})
	}
}
