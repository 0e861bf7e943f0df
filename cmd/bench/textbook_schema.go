package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// riverIndexes are the indexes that River's migrations give river_job. A test holds them to it.
var riverIndexes = map[string]string{
	"river_job_kind":                         `ON river_job (kind)`,
	"river_job_state_and_finalized_at_index": `ON river_job (state, finalized_at) WHERE finalized_at IS NOT NULL`,
	"river_job_prioritized_fetching_index":   `ON river_job (state, queue, priority, scheduled_at, id)`,
	"river_job_args_index":                   `ON river_job USING gin (args)`,
	"river_job_metadata_index":               `ON river_job USING gin (metadata)`,
}

// riverKeys are those that constrain, which nobody drops.
var riverKeys = []string{"river_job_pkey", "river_job_unique_idx"}

// prepareTextbook gives river_job the indexes that River ships, no fewer and no
// more: those that our migrations drop come back, and those that they add go.
func prepareTextbook(ctx context.Context, pool *pgxpool.Pool) error {
	names := append([]string{}, riverKeys...)

	for name, definition := range riverIndexes {
		names = append(names, name)

		if _, err := pool.Exec(ctx, `CREATE INDEX IF NOT EXISTS `+name+` `+definition); err != nil {
			return fmt.Errorf("create River's index: %w", err)
		}
	}

	rows, err := pool.Query(ctx, `
		SELECT indexname
		FROM pg_indexes
		WHERE schemaname = current_schema()
			AND tablename = 'river_job'
			AND indexname <> ALL ($1)`, names)
	if err != nil {
		return fmt.Errorf("list indexes: %w", err)
	}

	ours, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list indexes: %w", err)
	}

	for _, name := range ours {
		if _, err := pool.Exec(ctx, `DROP INDEX `+pgx.Identifier{name}.Sanitize()); err != nil {
			return fmt.Errorf("drop index of ours: %w", err)
		}
	}

	return nil
}
