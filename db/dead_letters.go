package db

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A Reason is the class of what a job died of.
type Reason string

// The reasons. The trigger that writes dead letters gives them.
const (
	ReasonTransient Reason = "transient" // a fault that goes by itself
	ReasonPermanent Reason = "permanent" // no try will do
	ReasonPoison    Reason = "poison"    // its processes died again and again
	ReasonCancelled Reason = "cancelled" // somebody did it
	ReasonUnknown   Reason = "unknown"
)

// A Resolution is what became of a dead letter; none while it is open.
type Resolution string

// The resolutions.
const (
	ResolvedRedriven    Resolution = "redriven"    // a new job has the work
	ResolvedCompensated Resolution = "compensated" // the order was undone
	ResolvedApplied     Resolution = "applied"     // the effect is there after all
	ResolvedDismissed   Resolution = "dismissed"   // nothing is to be done
)

// A DeadLetter is a job that the queue has given up, kept for good.
type DeadLetter struct {
	JobID       int64      `json:"job_id" doc:"The job's id; River forgets the job after some days, the letter stays"`
	Kind        string     `json:"kind"`
	Queue       string     `json:"queue"`
	OrderID     *uuid.UUID `json:"order_id" format:"uuid" doc:"The order whose work it is; null for a job that names none"`
	Attempts    int        `json:"attempts" doc:"Runs it had"`
	Error       string     `json:"error" doc:"The newest error, as it was recorded"`
	Reason      Reason     `json:"reason" enum:"transient,permanent,poison,cancelled,unknown" doc:"What kind of death it was: poison is a job whose processes died again and again, cancelled is somebody's act"`
	Signature   string     `json:"signature" doc:"What letters that died of the same have in common"`
	Redrives    int        `json:"redrives" doc:"How many redrives led to this job"`
	DeadAt      time.Time  `json:"dead_at"`
	AttentionAt *time.Time `json:"attention_at" doc:"Since when a person must look; null while the system may still put it right"`
	ResolvedAt  *time.Time `json:"resolved_at" doc:"Null while it is open"`
	Resolution  Resolution `json:"resolution" doc:"redriven: a new job has the work; compensated: the order was undone; applied: the effect is there after all; dismissed: nothing is to be done. Empty while it is open"`
	ResolvedBy  string     `json:"resolved_by" doc:"Who did"`
	Note        string     `json:"note" doc:"And why"`
}

const deadLetterColumns = `job_id, kind, queue, order_id, attempts, error, reason, signature, redrives, dead_at, attention_at,
			resolved_at, coalesce(resolution, '') AS resolution, resolved_by, note`

// A LetterJob is what it takes to do a dead letter's work again.
type LetterJob struct {
	JobID    int64
	Work     Work
	HasOrder bool            // else the work names no order
	Args     json.RawMessage // as they are stored, fields that this program does not know included
	Reason   Reason
	Redrives int
	Resolved bool
}

// Work is what a job of an order does, and what makes it unique.
type Work struct {
	Kind     string
	OrderID  uuid.UUID
	Template string // of a notification
}

// LetterJobs reads the jobs of dead letters; ids that have none are passed over.
func LetterJobs(ctx context.Context, q Querier, jobIDs []int64) (map[int64]LetterJob, error) {
	return letterJobs(ctx, q, jobIDs, "")
}

// LockLetterJobs is [LetterJobs] for letters that are to be resolved, which it locks.
func LockLetterJobs(ctx context.Context, tx pgx.Tx, jobIDs []int64) (map[int64]LetterJob, error) {
	return letterJobs(ctx, tx, jobIDs, "FOR NO KEY UPDATE")
}

func letterJobs(ctx context.Context, q Querier, jobIDs []int64, lock string) (map[int64]LetterJob, error) {
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
		l       LetterJob
		orderID *uuid.UUID
	)

	letters := make(map[int64]LetterJob, len(jobIDs))

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

// A LetterEnd is how a dead letter is resolved.
type LetterEnd struct {
	JobID      int64
	Resolution Resolution
	By         string
	Note       string // why
}

// ResolveDeadLetters resolves letters that the transaction has locked.
func ResolveDeadLetters(ctx context.Context, tx pgx.Tx, ends []LetterEnd) error {
	if len(ends) == 0 {
		return nil
	}

	jobIDs := make([]int64, len(ends))
	resolutions, actors, notes := make([]string, len(ends)), make([]string, len(ends)), make([]string, len(ends))

	for i, e := range ends {
		jobIDs[i], resolutions[i], actors[i], notes[i] = e.JobID, string(e.Resolution), e.By, e.Note
	}

	_, err := tx.Exec(ctx, `
		UPDATE dead_letters
		SET resolved_at = now(),
			resolution = e.resolution,
			resolved_by = e.actor,
			note = e.note
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS e (job_id, resolution, actor, note)
		WHERE dead_letters.job_id = e.job_id`, jobIDs, resolutions, actors, notes)
	if err != nil {
		return fmt.Errorf("resolve dead letters: %w", err)
	}

	return nil
}
