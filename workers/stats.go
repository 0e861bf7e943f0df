package workers

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/stats"
	"orders/jobs"
)

// Bounds of one attempt. The next job continues where this one has stopped, so that statistics
// catch up after an outage of all workers.
const (
	statsTime  = 30 * time.Second // after which no piece is begun
	statsQuick = time.Second      // a piece that takes less is followed by one of twice as many minutes
	statsMost  = time.Hour        // minutes of a piece
)

// statistics counts minutes, in one transaction for each piece.
type statistics struct {
	policy[jobs.Stats]

	pool *pgxpool.Pool
}

// Work counts until it reaches the present or a bound. How much happened in a minute is not known
// beforehand, so pieces grow from one minute while they are quick.
func (s *statistics) Work(ctx context.Context, _ *river.Job[jobs.Stats]) error {
	var (
		piece stats.Piece
		begun = time.Now()
		most  = time.Minute
	)

	for !piece.Done && time.Since(begun) < statsTime {
		began := time.Now()

		err := db.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
			piece, err = stats.Update(ctx, tx, piece.To, most)

			return err
		})
		if err != nil {
			return jobError(err)
		}

		if time.Since(began) < statsQuick {
			most = min(2*most, statsMost)
		} else {
			most = max(most/2, time.Minute)
		}
	}

	return nil
}
