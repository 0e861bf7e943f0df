package flow

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
)

// An Outcome is what a redrive comes to.
type Outcome string

// The outcomes.
const (
	OutcomeRedriven        Outcome = "redriven"           // there is a new job, with a full budget
	OutcomeEligible        Outcome = "eligible"           // there would be, were this no dry run
	OutcomeAlreadyApplied  Outcome = "already applied"    // the effect is there, or there is nothing left to do: the letter is closed
	OutcomeOrderIsFinal    Outcome = "order is final"     // and nets to zero: nothing may be done for it any more; the letter is closed
	OutcomeLiveJobExists   Outcome = "live job exists"    // which does the work: the letter stays open until it has
	OutcomeAlreadyResolved Outcome = "already resolved"   // by somebody else
	OutcomeCannotRedrive   Outcome = "cannot be redriven" // this program does not know the kind, or there is no such order
	OutcomeNotFound        Outcome = "not found"
)

// A Redrive asks to do a dead letter's work again.
type Redrive struct {
	JobID       int64     // the letter; in one call, once
	OperationID uuid.UUID // one act, of one letter or many: asked again, it does nothing and answers the same
	Actor, Note string    // who, and why
	At          time.Time // when the new job may run; zero for at once
}

// RedriveLetters gives dead letters' work fresh jobs, each linked to its letter,
// and resolves the letters: all of it in this transaction. Letters whose work is
// done, or must not be done any more, are resolved without a job. A dry run
// writes nothing and says what would be.
func RedriveLetters(
	ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], redrives []Redrive, dryRun bool,
) ([]db.Result[Outcome], error) {
	done, err := RedriveAll(ctx, tx, queue, redrives, dryRun)
	if err != nil {
		return nil, err
	}

	results := make([]db.Result[Outcome], len(done))
	for i, d := range done {
		results[i].Value = d.Outcome
	}

	return results, nil
}

// A Redriven letter is what came of a [Redrive].
type Redriven struct {
	JobID    int64   `json:"job_id"`
	Outcome  Outcome `json:"outcome" enum:"redriven,eligible,already applied,order is final,live job exists,already resolved,cannot be redriven,not found" doc:"What came of it. already applied: the effect is there, or nothing is left to do, and the letter is closed. order is final: it nets to zero, and the letter is closed. live job exists: that one does the work, and the letter stays open. cannot be redriven: the kind is not known here, or there is no such order"`
	NewJobID *int64  `json:"new_job_id" doc:"The job that has the work now; null when none was made"`
}

// RedriveAll is [RedriveLetters] for those who want to know the new jobs, too.
func RedriveAll(
	ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], redrives []Redrive, dryRun bool,
) ([]Redriven, error) {
	r := redriving{redrives: redrives, done: make([]Redriven, len(redrives))}

	if err := r.readLetters(ctx, tx, dryRun); err != nil {
		return nil, err
	}

	if err := r.answerEarlier(ctx, tx, dryRun); err != nil {
		return nil, err
	}

	if err := r.judge(ctx, tx); err != nil || dryRun {
		return r.done, err
	}

	if err := r.enqueue(ctx, tx, queue); err != nil {
		return nil, err
	}

	return r.done, r.record(ctx, tx)
}

// redriving is some redrives on their way. One without an outcome is still on it.
type redriving struct {
	redrives []Redrive
	done     []Redriven
	letters  map[int64]db.LetterJob
	earlier  map[int]bool // answered from what was recorded
}

// readLetters reads the letters, and locks them if they are to be changed: of two
// redrives of a letter at the same moment, the second one finds it resolved.
func (r *redriving) readLetters(ctx context.Context, tx pgx.Tx, dryRun bool) (err error) {
	jobIDs := make([]int64, len(r.redrives))
	for i, redrive := range r.redrives {
		jobIDs[i], r.done[i].JobID = redrive.JobID, redrive.JobID
	}

	if dryRun {
		r.letters, err = db.LetterJobs(ctx, tx, jobIDs)
	} else {
		r.letters, err = db.LockLetterJobs(ctx, tx, jobIDs)
	}

	return err
}

// answerEarlier answers redrives whose operation has been there before.
func (r *redriving) answerEarlier(ctx context.Context, tx pgx.Tx, dryRun bool) error {
	r.earlier = map[int]bool{}
	if dryRun {
		return nil
	}

	type key struct {
		operation uuid.UUID
		jobID     int64
	}

	places := map[key]int{}
	operations := map[uuid.UUID]bool{}

	for i, redrive := range r.redrives {
		places[key{redrive.OperationID, redrive.JobID}] = i
		operations[redrive.OperationID] = true
	}

	for operation := range operations { // there is one, but for callers that run several
		recorded, err := db.RedrivesOf(ctx, tx, operation)
		if err != nil {
			return err
		}

		for _, past := range recorded {
			if i, asked := places[key{operation, past.JobID}]; asked {
				r.earlier[i] = true
				r.done[i].Outcome, r.done[i].NewJobID = Outcome(past.Outcome), past.NewJobID
			}
		}
	}

	return nil
}
