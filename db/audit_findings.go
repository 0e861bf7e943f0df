package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Finding is a violation that an audit has found, and what became of it.
type Finding struct {
	Invariant  string     `json:"invariant" doc:"Its name"`
	Subject    string     `json:"subject" doc:"The product, customer, order or Idempotency-Key that breaks it"`
	Detail     string     `json:"detail" doc:"What is, and what should be"`
	FirstSeen  time.Time  `json:"first_seen"`
	LastSeen   time.Time  `json:"last_seen"`
	ResolvedAt *time.Time `json:"resolved_at" doc:"When an audit looked again and found it mended; null while it is open"`
}

// keepFindings writes down what was found. One that was resolved and comes back
// begins anew.
func keepFindings(ctx context.Context, tx pgx.Tx, invariant string, found []Violation) error {
	if len(found) == 0 {
		return nil
	}

	subjects, details := make([]string, len(found)), make([]string, len(found))
	for n, v := range found {
		subjects[n], details[n] = v.Subject, v.Detail
	}

	_, err := tx.Exec(ctx, `
		INSERT INTO audit_findings AS finding (invariant, subject, detail)
		SELECT $1, f.subject, f.detail
		FROM unnest($2::text[], $3::text[]) AS f (subject, detail)
		ORDER BY f.subject
		ON CONFLICT (invariant, subject) DO UPDATE
		SET detail = EXCLUDED.detail,
			first_seen = CASE WHEN finding.resolved_at IS NULL THEN finding.first_seen ELSE EXCLUDED.first_seen END,
			last_seen = EXCLUDED.last_seen,
			resolved_at = NULL`, invariant, subjects, details)
	if err != nil {
		return fmt.Errorf("keep findings: %w", err)
	}

	return nil
}

// resolveUnseen resolves those of the open findings that this transaction has
// looked for and not seen.
func resolveUnseen(ctx context.Context, tx pgx.Tx, invariant string, subjects []string) error {
	if len(subjects) == 0 {
		return nil
	}

	_, err := tx.Exec(ctx, `
		UPDATE audit_findings
		SET resolved_at = now()
		WHERE invariant = $1
			AND subject = ANY($2)
			AND resolved_at IS NULL
			AND last_seen < now()`, invariant, subjects)
	if err != nil {
		return fmt.Errorf("resolve findings: %w", err)
	}

	return nil
}

// openSubjects are the subjects of open findings, those that have not been looked
// at for longest.
func openSubjects(ctx context.Context, q Querier, invariant string, limit int) ([]string, error) {
	rows, err := q.Query(ctx, `
		SELECT subject
		FROM audit_findings
		WHERE invariant = $1
			AND resolved_at IS NULL
		ORDER BY last_seen
		LIMIT $2`, invariant, limit)
	if err != nil {
		return nil, fmt.Errorf("read open findings: %w", err)
	}

	subjects, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read open findings: %w", err)
	}

	return subjects, nil
}

// RecordProof writes down what a proof of the whole has found in the transaction
// that it ran in: what was open and has not been seen is resolved.
func RecordProof(ctx context.Context, tx pgx.Tx, invariant string, found []Violation) error {
	if err := keepFindings(ctx, tx, invariant, found); err != nil {
		return err
	}

	_, err := tx.Exec(ctx, `
		UPDATE audit_findings
		SET resolved_at = now()
		WHERE invariant = $1
			AND resolved_at IS NULL
			AND last_seen < now()`, invariant)
	if err != nil {
		return fmt.Errorf("resolve findings: %w", err)
	}

	return nil
}

// SumUpStock makes the sums of the incremental audit anew, from the whole ledgers.
func SumUpStock(ctx context.Context, tx pgx.Tx) error {
	mark := always

	err := tx.QueryRow(ctx, `
		SELECT at
		FROM watermarks
		WHERE name = 'audit'
		FOR NO KEY UPDATE`).Scan(&mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // there has been no incremental audit
	}

	if err != nil {
		return fmt.Errorf("lock audit: %w", err)
	}

	if _, err := tx.Exec(ctx, `DELETE FROM audit_stock_sums`); err != nil {
		return fmt.Errorf("clear stock sums: %w", err)
	}

	return sumUpStock(ctx, tx, always, mark)
}
