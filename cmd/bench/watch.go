package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// A watch looks at a run's database while it runs: one session, and one
// transaction a look, so that they can be taken off what Postgres has counted.
type watch struct {
	mu    sync.Mutex
	conn  *pgx.Conn
	looks int64
}

func openWatch(ctx context.Context, url string) (*watch, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}

	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // preparing would be a transaction, too
	config.RuntimeParams["enable_seqscan"] = "off"                // looking for what is hardly ever there is a matter of indexes

	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}

	return &watch{conn: conn}, nil
}

func (w *watch) close(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.conn.Close(ctx)
}

func (w *watch) look(ctx context.Context, sql string, into ...any) error {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.looks++

	return w.conn.QueryRow(ctx, sql).Scan(into...)
}

// settledSoFar is about how many orders the steps are through with, by what
// Postgres counts anyway: it lags behind by up to a second.
func (w *watch) settledSoFar(ctx context.Context, lines int) (n int64, err error) {
	var moved, earned, told int64

	err = w.look(ctx, `
		SELECT
			pg_stat_get_tuples_inserted('stock_movements'::regclass),
			pg_stat_get_tuples_inserted('points_entries'::regclass),
			pg_stat_get_tuples_inserted('notifications'::regclass)`, &moved, &earned, &told)
	if err != nil {
		return 0, fmt.Errorf("count settled orders: %w", err)
	}

	return min(moved/int64(lines), earned, told), nil
}

// settled returns when no step's job is left to do. It looks at one row a state
// and queue, so looking does not cost.
func (w *watch) settled(ctx context.Context) error {
	for {
		var live bool

		err := w.look(ctx, `
			SELECT EXISTS (
				SELECT
				FROM unnest('{available,retryable,running,scheduled}'::river_job_state[]) AS s (state)
				CROSS JOIN unnest('{inventory,notification,points}'::text[]) AS q (queue)
				CROSS JOIN LATERAL (
					SELECT
					FROM river_job
					WHERE river_job.state = s.state
						AND river_job.queue = q.queue
					LIMIT 1
				) AS job
			)`, &live)
		if err != nil {
			return fmt.Errorf("wait for orders to settle: %w", err)
		}

		if !live {
			return nil
		}

		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("wait for orders to settle: %w", context.Cause(ctx))
		}
	}
}

// swept returns when the leader is through with the sweeps that it makes at its
// start, which look at every order that waits.
func (w *watch) swept(ctx context.Context) error {
	for {
		var over bool

		err := w.look(ctx, `
			SELECT count(*) > 0 AND bool_and(state = 'completed')
			FROM river_job
			WHERE queue = 'maintenance'
				AND state IN ('available', 'running', 'completed')`, &over)
		if err != nil {
			return fmt.Errorf("wait for the sweeps: %w", err)
		}

		if over {
			return nil
		}

		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("wait for the sweeps: %w", context.Cause(ctx))
		}
	}
}
