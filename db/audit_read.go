package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Modes of an audit.
const (
	AuditIncremental = "incremental" // what is new since the last one
	AuditWhole       = "whole"
)

// An AuditRun is the last audit of a mode that came to its end.
type AuditRun struct {
	Mode       string    `json:"mode" enum:"incremental,whole"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	Orders     int64     `json:"orders" doc:"How many orders it looked at"`
	Violations int64     `json:"violations" doc:"How many violations it found"`
}

// RecordAuditRun writes down that an audit came to its end, which is now.
func RecordAuditRun(ctx context.Context, tx pgx.Tx, mode string, took time.Duration, orders, violations int) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO audit_runs (mode, started_at, finished_at, orders, violations)
		VALUES ($1, now() - $2::interval, now(), $3, $4)
		ON CONFLICT (mode) DO UPDATE
		SET started_at = EXCLUDED.started_at,
			finished_at = EXCLUDED.finished_at,
			orders = EXCLUDED.orders,
			violations = EXCLUDED.violations`, mode, took, orders, violations)
	if err != nil {
		return fmt.Errorf("record audit: %w", err)
	}

	return nil
}

// AuditRuns lists the last audit of each mode.
func AuditRuns(ctx context.Context, q Querier) ([]AuditRun, error) {
	rows, err := q.Query(ctx, `
		SELECT mode, started_at, finished_at, orders, violations
		FROM audit_runs
		ORDER BY mode`)
	if err != nil {
		return nil, fmt.Errorf("read audits: %w", err)
	}

	runs, err := pgx.CollectRows(rows, pgx.RowToStructByName[AuditRun])
	if err != nil {
		return nil, fmt.Errorf("read audits: %w", err)
	}

	return runs, nil
}

// AuditedUpTo is the moment up to which the incremental audit has got; nil before
// the first.
func AuditedUpTo(ctx context.Context, q Querier) (upTo *time.Time, err error) {
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
func OpenFindings(ctx context.Context, q Querier) (map[string]int64, error) {
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

// A FindingPosition is where a page of findings ended.
type FindingPosition struct {
	ResolvedAt *time.Time `json:"resolved_at"`
	Invariant  string     `json:"invariant"`
	Subject    string     `json:"subject"`
}

// Findings lists findings, the open ones first, then by when they were resolved,
// the newest first: at most limit of those behind after (nil for the first page).
func Findings(ctx context.Context, q Querier, after *FindingPosition, limit int) ([]Finding, error) {
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
