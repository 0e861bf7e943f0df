package baseline

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/bench/check"
	"orders/cmd/bench/database"
	"orders/cmd/bench/load"
	"orders/db"
	"orders/db/groupcommit"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

const batchSize = 256 // the most that a group commit takes

// Floor is the cost of the effects without a queue, in orders a second: step after step, a
// transaction for each batch. The products of the workload are there.
func Floor(ctx context.Context, pool *pgxpool.Pool, orders int) (float64, error) {
	begun := time.Now().Truncate(time.Millisecond) // as in ids

	ids, err := Place(ctx, pool, load.Spread, orders)
	if err != nil {
		return 0, err
	}

	if err := database.Exec(ctx, pool, `VACUUM ANALYZE`, `CHECKPOINT`); err != nil {
		return 0, err
	}

	start := time.Now()

	if err := Settle(ctx, pool, ids); err != nil {
		return 0, err
	}

	took := time.Since(start)
	placed := load.Result{Start: begun, Accepted: ids, Statuses: map[order.Status]int{order.Confirmed: orders}}

	return float64(orders) / took.Seconds(), check.Orders(ctx, pool, load.Spread, &placed)
}

// Place places orders without HTTP, and returns their ids.
func Place(ctx context.Context, pool *pgxpool.Pool, w load.Workload, orders int) ([]uuid.UUID, error) {
	queue, err := jobs.NewClient(pool, slog.New(slog.DiscardHandler), jobs.Defaults())
	if err != nil {
		return nil, err
	}

	random := rand.New(rand.NewPCG(0, 1)) //nolint:gosec // load, not secrets
	ids, placements := make([]uuid.UUID, orders), make([]flow.Placement, orders)

	for n := range ids {
		o := w.Next(random)
		ids[n] = uuid.Must(uuid.NewV7())
		placements[n] = flow.Placement{OrderID: ids[n], Draft: o.Draft()}
	}

	for batch := range slices.Chunk(placements, batchSize) {
		if err := runInTx(ctx, pool, flow.Place(queue), batch); err != nil {
			return nil, fmt.Errorf("place: %w", err)
		}
	}

	return ids, nil
}

// Settle runs the steps of orders, and removes their jobs.
func Settle(ctx context.Context, pool *pgxpool.Pool, ids []uuid.UUID) error {
	queue, err := jobs.NewClient(pool, slog.New(slog.DiscardHandler), jobs.Defaults())
	if err != nil {
		return err
	}

	for batch := range slices.Chunk(ids, batchSize) {
		for _, spec := range flow.Specs() {
			if err := runInTx(ctx, pool, stepOf(spec, queue), batch); err != nil {
				return fmt.Errorf("%s: %w", spec.Name, err)
			}
		}
	}

	return database.Exec(ctx, pool, `TRUNCATE river_job`)
}

func runInTx[In, Out any](ctx context.Context, pool *pgxpool.Pool, step groupcommit.Batch[In, Out], items []In) error {
	return db.InTx(ctx, pool, func(tx pgx.Tx) error {
		_, err := run(ctx, tx, step, items...)

		return err
	})
}
