package workers

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
)

// Bounds of one run; what is left waits for the next.
const (
	pruneBatch   = 5_000
	pruneBatches = 1_000
)

// prune deletes what is past its time, in small transactions.
type prune struct {
	policy[jobs.Prune]

	pool *pgxpool.Pool
	log  *slog.Logger
}

// Work deletes expired idempotency keys.
func (p *prune) Work(ctx context.Context, _ *river.Job[jobs.Prune]) error {
	var total int64

	for range pruneBatches {
		var n int64

		err := db.InTx(ctx, p.pool, func(tx pgx.Tx) (err error) {
			n, err = db.PruneKeys(ctx, tx, pruneBatch)

			return err
		})
		if err != nil {
			return outcome(db.Error(err))
		}

		if total += n; n < pruneBatch {
			break
		}
	}

	p.log.InfoContext(ctx, "pruned idempotency keys", "deleted", total)

	return nil
}
