package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/pipeline"
)

// A Finding is a violation that an audit has found, and when it was resolved.
type Finding struct {
	Invariant  string
	Subject    string
	Detail     string
	FirstSeen  time.Time
	LastSeen   time.Time
	ResolvedAt *time.Time
}

// keepFindings writes what was found. A finding that was resolved and is found again
// begins anew.
func keepFindings(ctx context.Context, tx pgx.Tx, invariant string, found []Violation) error {
	if len(found) == 0 {
		return nil
	}

	subjects, details := make([]string, len(found)), make([]string, len(found))
	for n, v := range found {
		subjects[n], details[n] = v.Subject, v.Detail
	}

	return pipeline.Exec(ctx, tx, "keep findings", `
		INSERT INTO audit_findings AS finding (invariant, subject, detail)
		SELECT $1, f.subject, f.detail
		FROM unnest($2::text[], $3::text[]) AS f (subject, detail)
		ORDER BY f.subject
		ON CONFLICT (invariant, subject) DO UPDATE
		SET detail = EXCLUDED.detail,
			first_seen = CASE WHEN finding.resolved_at IS NULL THEN finding.first_seen ELSE EXCLUDED.first_seen END,
			last_seen = EXCLUDED.last_seen,
			resolved_at = NULL`, invariant, subjects, details)
}

// resolveUnseen resolves the open findings of the subjects that this transaction has not
// found again. A check leaves young orders out, so these subjects are checked once more
// without grace: what is still broken stays open.
func (i Invariant) resolveUnseen(ctx context.Context, tx pgx.Tx, subjects []string) error {
	if i.Scope == ScopeOrders {
		broken, err := i.find(ctx, tx, orderIDs(subjects), time.Duration(0))
		if err != nil {
			return err
		}

		if err := keepFindings(ctx, tx, i.Name, broken); err != nil {
			return err
		}
	}

	return pipeline.Exec(ctx, tx, "resolve findings", `
		UPDATE audit_findings
		SET resolved_at = now()
		WHERE invariant = $1
			AND subject = ANY($2)
			AND resolved_at IS NULL
			AND last_seen < now()`, i.Name, subjects)
}

// orderIDs are the subjects that are orders.
func orderIDs(subjects []string) []uuid.UUID {
	ids := make([]uuid.UUID, 0, len(subjects))

	for _, subject := range subjects {
		if id, err := uuid.Parse(subject); err == nil {
			ids = append(ids, id)
		}
	}

	return ids
}

// openSubjects lists the subjects of open findings, those first whose last check is
// longest ago: at most limit, all without one.
func openSubjects(ctx context.Context, q db.Querier, invariant string, limit *int) ([]string, error) {
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

// RecordCheck writes what a full check has found, in the transaction of that check, and
// resolves the open findings that do not hold any more.
func (i Invariant) RecordCheck(ctx context.Context, tx pgx.Tx, found []Violation) error {
	if err := keepFindings(ctx, tx, i.Name, found); err != nil {
		return err
	}

	open, err := openSubjects(ctx, tx, i.Name, nil)
	if err != nil {
		return err
	}

	return i.resolveUnseen(ctx, tx, open)
}

// RebuildSums computes the sums of the incremental audit anew from all of the ledgers.
func RebuildSums(ctx context.Context, tx pgx.Tx) error {
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

	if err := pipeline.Exec(ctx, tx, "clear stock sums", `DELETE FROM audit_stock_sums`); err != nil {
		return err
	}

	return sumUpStock(ctx, tx, always, mark)
}
