// Package deadletter reads and resolves dead letters: the jobs that the queue has given
// up. A trigger on River's table writes them, in the transaction that gives up the job.
package deadletter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/pipeline"
	"orders/db/progress"
	"orders/order"
)

// A Reason is the class of the error that a job died of.
type Reason string

// The reasons. The worker gives each failed attempt its class. If no worker did, the trigger does.
const (
	Transient Reason = "transient" // a fault that passes by itself
	Permanent Reason = "permanent" // no further attempt can succeed
	Poison    Reason = "poison"    // the processes that ran it died, three times
	Cancelled Reason = "cancelled" // an operator cancelled it
	Unknown   Reason = "unknown"
)

// Reasons lists the reasons.
func Reasons() []Reason { return []Reason{Transient, Permanent, Poison, Cancelled, Unknown} }

// passingReasons may pass by themselves. Poison is one of them: when a process dies,
// all jobs that it ran are suspects.
var passingReasons = []Reason{Transient, Poison}

// Passing tells whether the cause may pass by itself, so that the system redrives the
// letter.
func (r Reason) Passing() bool { return slices.Contains(passingReasons, r) }

// A Resolution says how a dead letter was resolved; empty while it is open.
type Resolution string

// The resolutions.
const (
	Redriven    Resolution = "redriven"    // a new job has the work
	Compensated Resolution = "compensated" // the order was undone
	Applied     Resolution = "applied"     // the effect is there after all
	Dismissed   Resolution = "dismissed"   // an operator decided that nothing is to be done
)

// Resolutions lists the resolutions.
func Resolutions() []Resolution { return []Resolution{Redriven, Compensated, Applied, Dismissed} }

// A Letter is a job that the queue has given up. Letters are never deleted.
type Letter struct {
	JobID       int64
	Kind        string
	Queue       string
	OrderID     *uuid.UUID
	Attempts    int
	Error       string
	Code        order.Code // of the newest error, as the worker gave it; empty if there is no error
	Reason      Reason
	Signature   string
	Redrives    int
	DeadAt      time.Time
	AttentionAt *time.Time
	ResolvedAt  *time.Time
	Resolution  Resolution
	ResolvedBy  string
	Note        string
}

const letterColumns = `job_id, kind, queue, order_id, attempts, error, code, reason, signature, redrives, dead_at, attention_at,
			resolved_at, coalesce(resolution, '') AS resolution, resolved_by, note`

// A Job is what a redrive needs to know of a dead letter.
type Job struct {
	JobID    int64
	Work     progress.Work
	HasOrder bool            // false if the work names no order
	Args     json.RawMessage // as they are stored, including fields that this program does not know
	Reason   Reason
	Redrives int
	Resolved bool
}

// Jobs reads the jobs of dead letters; ids that no letter has are skipped.
func Jobs(ctx context.Context, q db.Querier, jobIDs []int64) (map[int64]Job, error) {
	return readJobs(ctx, q, jobIDs, "")
}

// LockJobs is like [Jobs], and locks the letters so that they can be resolved.
func LockJobs(ctx context.Context, tx pgx.Tx, jobIDs []int64) (map[int64]Job, error) {
	return readJobs(ctx, tx, jobIDs, "FOR NO KEY UPDATE")
}

func readJobs(ctx context.Context, q db.Querier, jobIDs []int64, lock string) (map[int64]Job, error) {
	rows, err := q.Query(ctx, `
		SELECT job_id, kind, order_id, coalesce(args->>'template', ''), args, reason, redrives, resolved_at IS NOT NULL
		FROM dead_letters
		WHERE job_id = ANY($1)
		ORDER BY job_id
		`+lock, jobIDs)
	if err != nil {
		return nil, fmt.Errorf("read dead letters' jobs: %w", err)
	}

	var (
		l       Job
		orderID *uuid.UUID
	)

	letters := make(map[int64]Job, len(jobIDs))

	columns := []any{&l.JobID, &l.Work.Kind, &orderID, &l.Work.Template, &l.Args, &l.Reason, &l.Redrives, &l.Resolved}

	_, err = pgx.ForEachRow(rows, columns, func() error {
		l.HasOrder, l.Work.OrderID = orderID != nil, uuid.Nil
		if orderID != nil {
			l.Work.OrderID = *orderID
		}

		letter := l
		letter.Args = bytes.Clone(l.Args)
		letters[l.JobID] = letter

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read dead letters' jobs: %w", err)
	}

	return letters, nil
}

// A Closing says how to resolve a dead letter.
type Closing struct {
	JobID      int64
	Resolution Resolution
	By         string
	Note       string // why
}

// Resolve resolves letters that the transaction has locked.
func Resolve(ctx context.Context, tx pgx.Tx, closings []Closing) error {
	if len(closings) == 0 {
		return nil
	}

	jobIDs := make([]int64, len(closings))
	resolutions, actors, notes := make([]string, len(closings)), make([]string, len(closings)), make([]string, len(closings))

	for i, c := range closings {
		jobIDs[i], resolutions[i], actors[i], notes[i] = c.JobID, string(c.Resolution), c.By, c.Note
	}

	return pipeline.Exec(ctx, tx, "resolve dead letters", `
		UPDATE dead_letters
		SET resolved_at = now(),
			resolution = c.resolution,
			resolved_by = c.actor,
			note = c.note
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS c (job_id, resolution, actor, note)
		WHERE dead_letters.job_id = c.job_id`, jobIDs, resolutions, actors, notes)
}

// Reopen opens resolved letters again, which the transaction has locked. An operator must
// decide about them.
func Reopen(ctx context.Context, tx pgx.Tx, jobIDs []int64) error {
	return pipeline.Exec(ctx, tx, "reopen dead letters", `
		UPDATE dead_letters
		SET resolved_at = NULL,
			resolution = NULL,
			resolved_by = '',
			note = '',
			attention_at = coalesce(attention_at, now())
		WHERE job_id = ANY($1)`, jobIDs)
}
