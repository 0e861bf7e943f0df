package jobqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
)

// Paused reads since when the paused queues have been paused, by name.
func Paused(ctx context.Context, q db.Querier) (map[string]time.Time, error) {
	rows, err := q.Query(ctx, `SELECT name, paused_at FROM river_queue WHERE paused_at IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("read paused queues: %w", err)
	}

	var (
		name  string
		since time.Time
	)

	paused := map[string]time.Time{}

	_, err = pgx.ForEachRow(rows, []any{&name, &since}, func() error {
		paused[name] = since

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read paused queues: %w", err)
	}

	return paused, nil
}
