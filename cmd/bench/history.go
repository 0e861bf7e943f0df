package main

import (
	"context"
	"embed"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
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

	both := newGroup(ctx)
	both.run(func(ctx context.Context) error { return execFile(ctx, pool, "history-orders") })
	both.run(func(ctx context.Context) error { return execFile(ctx, pool, "history-effects") })

	if err := both.wait(); err != nil {
		return err
	}

	if err := execFile(ctx, pool, "history-seen"); err != nil {
		return err
	}

	return tidy(ctx, pool)
}

// execFile runs a file's statements in one transaction. The session is not used
// again: it keeps what they have set.
func execFile(ctx context.Context, pool *pgxpool.Pool, name string) error {
	sql, err := past.ReadFile("sql/" + name + ".sql")
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}

	session, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}

	conn := session.Hijack()
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	if _, err := conn.Exec(ctx, string(sql)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}

	return nil
}
