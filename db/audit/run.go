package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/pipeline"
)

// Modes of an audit.
const (
	Incremental = "incremental" // what is new since the last one
	Full        = "full"
)

// A Run is the last finished audit of a mode.
type Run struct {
	Mode       string
	StartedAt  time.Time
	FinishedAt time.Time
	Orders     int64
	Violations int64
}

// RecordRun writes that an audit has finished now.
func RecordRun(ctx context.Context, tx pgx.Tx, mode string, took time.Duration, orders, violations int) error {
	return pipeline.Exec(ctx, tx, "record audit", `
		INSERT INTO audit_runs (mode, started_at, finished_at, orders, violations)
		VALUES ($1, now() - $2::interval, now(), $3, $4)
		ON CONFLICT (mode) DO UPDATE
		SET started_at = EXCLUDED.started_at,
			finished_at = EXCLUDED.finished_at,
			orders = EXCLUDED.orders,
			violations = EXCLUDED.violations`, mode, took, orders, violations)
}

// Runs lists the last finished audit of each mode.
func Runs(ctx context.Context, q db.Querier) ([]Run, error) {
	rows, err := q.Query(ctx, `
		SELECT mode, started_at, finished_at, orders, violations
		FROM audit_runs
		ORDER BY mode`)
	if err != nil {
		return nil, fmt.Errorf("read audits: %w", err)
	}

	runs, err := pgx.CollectRows(rows, pgx.RowToStructByName[Run])
	if err != nil {
		return nil, fmt.Errorf("read audits: %w", err)
	}

	return runs, nil
}

// CoveredTo is the time up to which the incremental audit has checked; nil before the
// first audit.
func CoveredTo(ctx context.Context, q db.Querier) (upTo *time.Time, err error) {
	err = q.QueryRow(ctx, `
		SELECT max(at)
		FROM watermarks
		WHERE name = 'audit'
			AND isfinite(at)`).Scan(&upTo)
	if err != nil {
		return nil, fmt.Errorf("read audit's watermark: %w", err)
	}

	return upTo, nil
}

// OpenFindings counts the open findings of each invariant that has any.
func OpenFindings(ctx context.Context, q db.Querier) (map[string]int64, error) {
	rows, err := q.Query(ctx, `
		SELECT invariant, count(*)
		FROM audit_findings
		WHERE resolved_at IS NULL
		GROUP BY invariant`)
	if err != nil {
		return nil, fmt.Errorf("count findings: %w", err)
	}

	var (
		name string
		n    int64
	)

	open := map[string]int64{}

	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		open[name] = n

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count findings: %w", err)
	}

	return open, nil
}

// A Position is where a page of findings ended.
type Position struct {
	ResolvedAt *time.Time
	Invariant  string
	Subject    string
}

// Findings lists findings: the open ones first, then those that were resolved last.
// It lists at most limit findings behind after (nil for the first page).
func Findings(ctx context.Context, q db.Querier, after *Position, limit int) ([]Finding, error) {
	query := `
		SELECT invariant, subject, detail, first_seen, last_seen, resolved_at
		FROM audit_findings`
	args := []any{limit}

	if after != nil {
		query += `
		WHERE (coalesce(resolved_at, 'infinity'), invariant, subject) < (coalesce($2::timestamptz, 'infinity'), $3, $4)`

		args = append(args, after.ResolvedAt, after.Invariant, after.Subject)
	}

	rows, err := q.Query(ctx, query+`
		ORDER BY coalesce(resolved_at, 'infinity') DESC, invariant DESC, subject DESC
		LIMIT $1`, args...)
	if err != nil {
		return nil, fmt.Errorf("list findings: %w", err)
	}

	findings, err := pgx.CollectRows(rows, pgx.RowToStructByName[Finding])
	if err != nil {
		return nil, fmt.Errorf("list findings: %w", err)
	}

	return findings, nil
}
