package condition

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db/catalogue"
	"orders/db/delivery"
	"orders/db/gauge"
	"orders/db/horizon"
	"orders/db/jobqueue"
	"orders/db/progress"
	"orders/jobs"
)

// A Reading is what the conditions are judged by.
type Reading struct {
	At     time.Time // by the database's clock
	Schema string    // why the schema does not fit the program; empty if it does

	Queues   []jobqueue.Backlog
	Retrying map[string]int64 // orders whose jobs wait for another attempt, by queue
	Leader   bool
	Letters  Letters

	Findings     map[string]int64 // open ones by invariant
	FirstFinding *time.Time       // since when the oldest of them is open
	Audited      *time.Time       // when the last audit has finished

	Sweeps    map[string]progress.Sweep
	Snapshots []horizon.Holder
	Standbys  []gauge.Standby

	Endpoints []delivery.Health

	LowStock []string // the skus of products that are low on stock, at most one more than MostLow
}

// MostLow is how many products that are low on stock are counted.
const MostLow = gauge.MostLow

// Letters counts the open dead letters.
type Letters struct {
	Open      int64
	Attention int64      // those that need an operator
	Since     *time.Time // since when the oldest of them needs one
}

// Read reads what the conditions are judged by. Its cost does not grow with what there is.
func Read(ctx context.Context, tx pgx.Tx) (r Reading, err error) {
	queues := slices.Sorted(maps.Keys(jobs.Concurrency()))

	if r.Queues, err = jobqueue.Backlogs(ctx, tx, queues); err != nil {
		return r, err
	}

	if r.Retrying, err = gauge.Retrying(ctx, tx, queues); err != nil {
		return r, err
	}

	leader, err := gauge.Leader(ctx, tx)
	if err != nil {
		return r, err
	}

	r.Leader = leader != ""

	if err := r.count(ctx, tx); err != nil {
		return r, err
	}

	if r.Sweeps, err = progress.Sweeps(ctx, tx); err != nil {
		return r, err
	}

	if r.Snapshots, err = horizon.Old(ctx, tx); err != nil {
		return r, err
	}

	if r.Standbys, err = gauge.Standbys(ctx, tx); err != nil {
		return r, err
	}

	if r.Endpoints, err = delivery.Healths(ctx, tx); err != nil {
		return r, err //nolint:wrapcheck // it says what was done
	}

	low, err := catalogue.Low(ctx, tx, catalogue.Active, "", MostLow+1)
	for _, p := range low {
		r.LowStock = append(r.LowStock, p.SKU)
	}

	return r, err
}

// count reads the open dead letters and findings, and since when there are any.
func (r *Reading) count(ctx context.Context, tx pgx.Tx) error {
	letters, err := gauge.OpenLetters(ctx, tx)
	if err != nil {
		return err
	}

	for _, l := range letters {
		r.Letters.Open += l.Open
		r.Letters.Attention += l.Attention
	}

	findings, err := gauge.OpenFindings(ctx, tx)
	if err != nil {
		return err
	}

	r.Findings = make(map[string]int64, len(findings))
	for _, f := range findings {
		r.Findings[f.Invariant] = f.Open
	}

	err = tx.QueryRow(ctx, `
		SELECT
			clock_timestamp(),
			(SELECT max(finished_at) FROM audit_runs),
			(
				SELECT min(first_seen)
				FROM (
					SELECT first_seen
					FROM audit_findings
					WHERE resolved_at IS NULL
					LIMIT $1
				) AS findings
			),
			(
				SELECT min(attention_at)
				FROM (
					SELECT attention_at
					FROM dead_letters
					WHERE resolved_at IS NULL
					ORDER BY dead_at, job_id
					LIMIT $1
				) AS letters
			)`, gauge.Most).Scan(&r.At, &r.Audited, &r.FirstFinding, &r.Letters.Since)
	if err != nil {
		return fmt.Errorf("read conditions: %w", err)
	}

	return nil
}
