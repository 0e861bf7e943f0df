package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// commitEvery is how often a bare commit is tried beside a load.
const commitEvery = 10 * time.Millisecond

// commitAlone commits a row now and then until ctx ends, and notes how long that
// takes: less than that, no POST can.
func commitAlone(ctx context.Context, url string, f figures) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("commit alone: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	if _, err := conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS bench_commits (at timestamptz NOT NULL)`); err != nil {
		return fmt.Errorf("commit alone: %w", err)
	}

	var took []time.Duration

	for pause(ctx, commitEvery) {
		start := time.Now()

		if _, err := conn.Exec(ctx, `INSERT INTO bench_commits (at) VALUES (now())`); err != nil {
			if errors.Is(err, context.Canceled) {
				break
			}

			return fmt.Errorf("commit alone: %w", err)
		}

		took = append(took, time.Since(start))
	}

	slices.Sort(took)
	f["commit_p50_ms"] = milliseconds(percentile(took, 0.5))
	f["commit_p99_ms"] = milliseconds(percentile(took, 0.99))

	return nil
}
