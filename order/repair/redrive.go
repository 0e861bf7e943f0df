package repair

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/deadletter"
	"orders/order"
	"orders/order/flow"
)

// An Outcome is the result of a request to redrive a letter.
type Outcome string

// The outcomes.
const (
	Redriven        Outcome = "redriven"         // a new job has the work, with all its attempts
	Eligible        Outcome = "eligible"         // in a dry run: a new job would get the work
	AlreadyApplied  Outcome = "already_applied"  // the work is done: the letter is resolved
	OrderIsFinal    Outcome = "order_is_final"   // the work must not be done any more: the letter is resolved
	LiveJobExists   Outcome = "live_job_exists"  // a live job has the work: the letter stays open until it is done
	AlreadyResolved Outcome = "already_resolved" // the letter was resolved before
	NotRedrivable   Outcome = "not_redrivable"   // this program does not know the kind, or there is no such order
	NotFound        Outcome = "not_found"        // there is no such letter
)

// Outcomes lists the outcomes.
func Outcomes() []Outcome {
	return []Outcome{Redriven, Eligible, AlreadyApplied, OrderIsFinal, LiveJobExists, AlreadyResolved, NotRedrivable, NotFound}
}

// A RedriveRequest requests that a dead letter's work is done again.
type RedriveRequest struct {
	JobID       int64     // of the letter; a call has each letter once
	OperationID uuid.UUID // of one operation on one letter or many
	Actor       order.Actor
	Note        string    // why
	At          time.Time // when the new job may run; zero for at once
}

// A RedriveResult is the outcome of a [RedriveRequest].
type RedriveResult struct {
	JobID    int64   `json:"job_id"`
	Outcome  Outcome `json:"outcome"`
	NewJobID *int64  `json:"new_job_id"` // nil if no job was made
}

// Redrive gives the work of dead letters new jobs and resolves the letters, in this
// transaction. A letter whose work is done, or must not be done any more, is resolved
// without a job. A dry run writes nothing and returns what would be done. There is a
// result for each request, in their order.
func Redrive(ctx context.Context, tx pgx.Tx, queue *flow.Queue, requests []RedriveRequest, dryRun bool) ([]RedriveResult, error) {
	r := redriving{requests: requests, results: make([]RedriveResult, len(requests))}

	if err := r.readLetters(ctx, tx, dryRun); err != nil {
		return nil, err
	}

	if err := r.decide(ctx, tx); err != nil || dryRun {
		return r.results, err
	}

	if err := r.enqueue(ctx, tx, queue); err != nil {
		return nil, err
	}

	return r.results, r.record(ctx, tx)
}

// redriving is a call of [Redrive].
type redriving struct {
	requests []RedriveRequest
	results  []RedriveResult
	letters  map[int64]deadletter.Job
}

// readLetters reads the letters, and locks them unless this is a dry run. Of two redrives
// of a letter at the same moment, the second finds it resolved.
func (r *redriving) readLetters(ctx context.Context, tx pgx.Tx, dryRun bool) (err error) {
	jobIDs := make([]int64, len(r.requests))
	for i, request := range r.requests {
		jobIDs[i], r.results[i].JobID = request.JobID, request.JobID
	}

	if dryRun {
		r.letters, err = deadletter.Jobs(ctx, tx, jobIDs)
	} else {
		r.letters, err = deadletter.LockJobs(ctx, tx, jobIDs)
	}

	return err
}
