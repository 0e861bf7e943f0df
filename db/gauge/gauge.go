// Package gauge reads how the system is at a moment: the depth of the queues, the open dead
// letters and findings, the workers, the sweeps. A reading costs the same however much there
// is: what may be many is counted through an index up to [Most], and jobs beyond it are
// estimated from a sample.
package gauge

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/audit"
	"orders/db/catalogue"
	"orders/db/delivery"
	"orders/db/horizon"
	"orders/db/liveness"
	"orders/db/progress"
)

// Most is how many rows of a kind are counted. Counting that many takes a few milliseconds.
const Most = 10_000

// MostLow is how many products that are low on stock are counted.
const MostLow = 100

// A Reading is how the system is at a moment.
type Reading struct {
	At           time.Time // by the database's clock
	Queues       []Queue
	Letters      []Letters
	Findings     []Findings
	Audits       []audit.Run // the last finished one of each mode
	Workers      liveness.Total
	Leader       string // the worker that is the leader; empty if none is
	Sweeps       []progress.Sweep
	OldSnapshots int
	Standbys     []Standby
	Endpoints    []delivery.Health
	LowStock     int // products that are low on stock, counted up to MostLow
}

// Letters are the open dead letters of a kind.
type Letters struct {
	Kind      string
	Open      int64 // counted up to Most
	Attention int64 // of these, those that need an operator
}

// Findings are the open findings of an invariant. There is one for each invariant that has any.
type Findings struct {
	Invariant string
	Open      int64 // counted up to Most
}

// A Standby is a server that replicates from this one.
type Standby struct {
	Name  string        // application_name of its connection
	Bytes int64         // of WAL that it has not replayed
	Lag   time.Duration // of its replay, as Postgres measured it last; 0 when it is idle
}

// Read reads all of it, in a few statements.
func Read(ctx context.Context, q db.Querier) (r Reading, err error) {
	if r.Queues, r.At, err = Queues(ctx, q); err != nil {
		return r, err
	}

	if r.Letters, err = OpenLetters(ctx, q); err != nil {
		return r, err
	}

	if r.Findings, err = OpenFindings(ctx, q); err != nil {
		return r, err
	}

	if r.Audits, err = audit.Runs(ctx, q); err != nil {
		return r, err
	}

	if r.Workers, err = liveness.Count(ctx, q); err != nil {
		return r, err
	}

	if r.Leader, err = Leader(ctx, q); err != nil {
		return r, err
	}

	if r.Sweeps, err = progress.ListSweeps(ctx, q); err != nil {
		return r, err
	}

	old, err := horizon.Old(ctx, q)
	if err != nil {
		return r, err
	}

	r.OldSnapshots = len(old)

	if r.Standbys, err = Standbys(ctx, q); err != nil {
		return r, err
	}

	if r.Endpoints, err = delivery.Healths(ctx, q); err != nil {
		return r, err //nolint:wrapcheck // it says what was done
	}

	low, err := catalogue.Low(ctx, q, catalogue.Active, "", MostLow)
	r.LowStock = len(low)

	return r, err
}

// OpenLetters counts the open dead letters of each kind that has any.
func OpenLetters(ctx context.Context, q db.Querier) ([]Letters, error) {
	rows, err := q.Query(ctx, `
		WITH RECURSIVE kinds AS (
			SELECT min(kind) AS kind
			FROM dead_letters
			WHERE resolved_at IS NULL
			UNION ALL
			SELECT (
				SELECT min(kind)
				FROM dead_letters
				WHERE resolved_at IS NULL
					AND dead_letters.kind > kinds.kind
			)
			FROM kinds
			WHERE kinds.kind IS NOT NULL
		)
		SELECT kinds.kind, letters.open, letters.attention
		FROM kinds
		CROSS JOIN LATERAL (
			SELECT count(*) AS open, count(attention_at) AS attention
			FROM (
				SELECT attention_at
				FROM dead_letters
				WHERE resolved_at IS NULL
					AND dead_letters.kind = kinds.kind
				ORDER BY signature, dead_at, job_id
				LIMIT $1
			) AS counted
		) AS letters
		WHERE kinds.kind IS NOT NULL`, Most)
	if err != nil {
		return nil, fmt.Errorf("count open dead letters: %w", err)
	}

	letters, err := pgx.CollectRows(rows, pgx.RowToStructByName[Letters])
	if err != nil {
		return nil, fmt.Errorf("count open dead letters: %w", err)
	}

	return letters, nil
}

// OpenFindings counts the open findings of each invariant that has any.
func OpenFindings(ctx context.Context, q db.Querier) ([]Findings, error) {
	rows, err := q.Query(ctx, `
		WITH RECURSIVE invariants AS (
			SELECT min(invariant) AS invariant
			FROM audit_findings
			WHERE resolved_at IS NULL
			UNION ALL
			SELECT (
				SELECT min(invariant)
				FROM audit_findings
				WHERE resolved_at IS NULL
					AND audit_findings.invariant > invariants.invariant
			)
			FROM invariants
			WHERE invariants.invariant IS NOT NULL
		)
		SELECT invariants.invariant, findings.open
		FROM invariants
		CROSS JOIN LATERAL (
			SELECT count(*) AS open
			FROM (
				SELECT
				FROM audit_findings
				WHERE resolved_at IS NULL
					AND audit_findings.invariant = invariants.invariant
				ORDER BY last_seen
				LIMIT $1
			) AS counted
		) AS findings
		WHERE invariants.invariant IS NOT NULL`, Most)
	if err != nil {
		return nil, fmt.Errorf("count open findings: %w", err)
	}

	findings, err := pgx.CollectRows(rows, pgx.RowToStructByName[Findings])
	if err != nil {
		return nil, fmt.Errorf("count open findings: %w", err)
	}

	return findings, nil
}

// Leader is the worker that is River's leader; empty if none is.
func Leader(ctx context.Context, q db.Querier) (id string, err error) {
	err = q.QueryRow(ctx, `
		SELECT coalesce(max(leader_id), '')
		FROM river_leader
		WHERE expires_at > now()`).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("read leader: %w", err)
	}

	return id, nil
}

// Standbys lists the servers that replicate from this one. A role without the privileges of
// pg_read_all_stats does not see how far they are: then there are none.
func Standbys(ctx context.Context, q db.Querier) ([]Standby, error) {
	rows, err := q.Query(ctx, `
		SELECT
			application_name AS name,
			CASE WHEN pg_is_in_recovery() THEN 0 ELSE greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint END AS bytes,
			coalesce(replay_lag, '0') AS lag
		FROM pg_stat_replication
		WHERE replay_lsn IS NOT NULL
		ORDER BY application_name, pid`)
	if err != nil {
		return nil, fmt.Errorf("read standbys: %w", err)
	}

	standbys, err := pgx.CollectRows(rows, pgx.RowToStructByName[Standby])
	if err != nil {
		return nil, fmt.Errorf("read standbys: %w", err)
	}

	return standbys, nil
}
