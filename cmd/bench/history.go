package main

import (
	"context"
	"embed"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// past is the SQL that writes what has been before a run.
//
//go:embed sql/*.sql
var past embed.FS

// writeHistory writes a million settled orders, as if they had been placed,
// worked and audited, and their jobs cleaned away since.
func writeHistory(ctx context.Context, pool *pgxpool.Pool) error {
	if err := execFile(ctx, pool, "history-plan"); err != nil {
		return err
	}

	both, working := errgroup.WithContext(ctx)
	both.Go(func() error { return execFile(working, pool, "history-orders") })
	both.Go(func() error { return execFile(working, pool, "history-effects") })

	if err := both.Wait(); err != nil {
		return err
	}

	if err := execFile(ctx, pool, "history-seen"); err != nil {
		return err
	}

	return tidy(ctx, pool)
}

// execFile runs a file's statements, which are one transaction.
func execFile(ctx context.Context, pool *pgxpool.Pool, name string) error {
	sql, err := past.ReadFile("sql/" + name + ".sql")
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}

	if _, err := pool.Exec(ctx, string(sql)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}

	return nil
}
