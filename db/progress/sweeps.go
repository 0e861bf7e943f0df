package progress

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/pipeline"
)

// The names of the sweeps: the parts of job compensate.
const (
	SweepAnnounce     = "announce_letters"
	SweepExpire       = "expire_overdue"
	SweepMissingJobs  = "missing_jobs"
	SweepMissingAgain = "missing_jobs_again"
	SweepRedrive      = "redrive"
	SweepGiveUp       = "give_up_orders"
	SweepAttention    = "mark_for_attention"
	SweepResolveDone  = "resolve_done"
	SweepDeliveries   = "missing_deliveries"
)

// A Sweep is what is known of the runs of a sweep.
type Sweep struct {
	Name     string
	RanAt    time.Time
	FailedAt *time.Time
	Failures int // in sequence, up to the last run
}

// RecordSweep writes that a sweep has run, and its error if it has failed.
func RecordSweep(ctx context.Context, tx pgx.Tx, name string, failure error) error {
	text := ""
	if failure != nil {
		text = failure.Error()
	}

	return pipeline.Exec(ctx, tx, "record sweep", `
		INSERT INTO sweeps AS s (name, ran_at, failed_at, failures, error)
		VALUES ($1, now(), CASE WHEN $2 THEN now() END, $2::int, left($3, 2000))
		ON CONFLICT (name) DO UPDATE
		SET ran_at = EXCLUDED.ran_at,
			failed_at = coalesce(EXCLUDED.failed_at, s.failed_at),
			failures = CASE WHEN $2 THEN s.failures + 1 ELSE 0 END,
			error = EXCLUDED.error`, name, failure != nil, text)
}

// ListSweeps reads what is known of the sweeps.
func ListSweeps(ctx context.Context, q db.Querier) ([]Sweep, error) {
	rows, err := q.Query(ctx, `SELECT name, ran_at, failed_at, failures FROM sweeps ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read sweeps: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Sweep])
	if err != nil {
		return nil, fmt.Errorf("read sweeps: %w", err)
	}

	return list, nil
}

// Sweeps reads what is known of the sweeps, by name.
func Sweeps(ctx context.Context, q db.Querier) (map[string]Sweep, error) {
	list, err := ListSweeps(ctx, q)
	if err != nil {
		return nil, err
	}

	sweeps := make(map[string]Sweep, len(list))
	for _, s := range list {
		sweeps[s.Name] = s
	}

	return sweeps, nil
}
