package repair

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/action"
	"orders/db/deadletter"
	"orders/order"
)

// A ResolveOutcome is the result of a request to resolve a letter.
type ResolveOutcome string

// The outcomes.
const (
	ResolveDismissed ResolveOutcome = "dismissed"        // nothing is to be done
	ResolveEligible  ResolveOutcome = "eligible"         // in a dry run: it would be dismissed
	ResolveNotOpen   ResolveOutcome = "already_resolved" // the letter was resolved before
	ResolveNotFound  ResolveOutcome = "not_found"        // there is no such letter
)

// ResolveOutcomes lists the outcomes.
func ResolveOutcomes() []ResolveOutcome {
	return []ResolveOutcome{ResolveDismissed, ResolveEligible, ResolveNotOpen, ResolveNotFound}
}

// A ResolveResult is the outcome of a request to resolve a letter.
type ResolveResult struct {
	JobID   int64          `json:"job_id"`
	Outcome ResolveOutcome `json:"outcome"`
}

// A BulkResolve requests that dead letters are dismissed.
type BulkResolve struct {
	Operation

	Reason string // why nothing is to be done
}

// ResolveMany dismisses the letters of an operation. If the operation has run before,
// ResolveMany does nothing and returns that run. A dry run writes nothing, so it needs no key.
func ResolveMany(ctx context.Context, tx pgx.Tx, bulk BulkResolve, dryRun bool) (Run[ResolveResult], error) {
	if err := order.CheckWhy(bulk.Reason); err != nil {
		return Run[ResolveResult]{}, err
	}

	resolve := func() ([]ResolveResult, error) {
		jobIDs, err := bulk.letters(ctx, tx)
		if err != nil {
			return nil, err
		}

		return bulk.resolve(ctx, tx, jobIDs, dryRun)
	}

	if dryRun {
		return run(bulk.Operation, resolve)
	}

	return once(ctx, tx, bulk.Operation, "resolve", bulk.Reason, resolve)
}

func (b BulkResolve) resolve(ctx context.Context, tx pgx.Tx, jobIDs []int64, dryRun bool) ([]ResolveResult, error) {
	read := deadletter.LockJobs
	if dryRun {
		read = func(ctx context.Context, tx pgx.Tx, jobIDs []int64) (map[int64]deadletter.Job, error) {
			return deadletter.Jobs(ctx, tx, jobIDs)
		}
	}

	letters, err := read(ctx, tx, jobIDs)
	if err != nil {
		return nil, err
	}

	results := make([]ResolveResult, len(jobIDs))

	var dismissed []deadletter.Job

	for i, jobID := range jobIDs {
		letter, found := letters[jobID]
		results[i] = ResolveResult{JobID: jobID, Outcome: ResolveEligible}

		switch {
		case !found:
			results[i].Outcome = ResolveNotFound
		case letter.Resolved:
			results[i].Outcome = ResolveNotOpen
		case !dryRun:
			results[i].Outcome = ResolveDismissed
			dismissed = append(dismissed, letter)
		}
	}

	return results, dismiss(ctx, tx, dismissed, b.Actor, b.Reason, &b.ID)
}

// dismiss resolves letters that the transaction has locked.
func dismiss(ctx context.Context, tx pgx.Tx, letters []deadletter.Job, by order.Actor, reason string, operationID *uuid.UUID) error {
	if len(letters) == 0 {
		return nil
	}

	ends := make([]deadletter.Closing, len(letters))

	actions := make([]action.Action, len(letters))

	var events []db.OrderEvent

	for i, letter := range letters {
		ends[i] = deadletter.Closing{JobID: letter.JobID, Resolution: deadletter.Dismissed, By: by.Name, Note: reason}
		actions[i] = actOn(letter, action.ResolveLetter, by, map[string]any{"operation_id": operationID})

		if letter.HasOrder {
			events = append(events, letterEvent(letter, ends[i], nil))
		}
	}

	if err := deadletter.Resolve(ctx, tx, ends); err != nil {
		return err
	}

	if err := action.Record(ctx, tx, actions...); err != nil {
		return err
	}

	return db.RecordEvents(ctx, tx, events)
}

// ResolveLetter dismisses a dead letter: an operator has decided that nothing is to be
// done. The reason is kept. The same request again changes nothing. If the letter was
// resolved in another way, ResolveLetter returns [order.LetterResolved].
func ResolveLetter(ctx context.Context, tx pgx.Tx, jobID int64, by order.Actor, reason string) (deadletter.Detail, error) {
	letter, before, err := lockLetter(ctx, tx, jobID, reason)

	switch {
	case err != nil:
		return before, err
	case before.Resolution == deadletter.Dismissed && before.Note == reason:
		return before, nil
	case before.Resolution != "":
		return before, order.Errorf(order.LetterResolved,
			"The dead letter is resolved already: %s by %s.", before.Resolution, before.ResolvedBy)
	}

	if err := dismiss(ctx, tx, []deadletter.Job{letter}, by, reason, nil); err != nil {
		return before, err
	}

	return deadletter.Read(ctx, tx, jobID)
}

// ReopenLetter undoes the dismissal of a dead letter: it is open again, and an operator
// must decide about it. If the letter is open, nothing changes. A letter that was resolved
// in another way is refused with [order.LetterResolved].
func ReopenLetter(ctx context.Context, tx pgx.Tx, jobID int64, by order.Actor, reason string) (deadletter.Detail, error) {
	letter, before, err := lockLetter(ctx, tx, jobID, reason)

	switch {
	case err != nil:
		return before, err
	case before.Resolution == "":
		return before, nil
	case before.Resolution != deadletter.Dismissed:
		return before, order.Errorf(order.LetterResolved,
			"Cannot reopen the dead letter: it was not dismissed, but %s by %s.", before.Resolution, before.ResolvedBy)
	}

	if err := deadletter.Reopen(ctx, tx, []int64{jobID}); err != nil {
		return before, err
	}

	if err := action.Record(ctx, tx, actOn(letter, action.ReopenLetter, by, map[string]any{})); err != nil {
		return before, err
	}

	if letter.HasOrder {
		event := letterEvent(letter, deadletter.Closing{JobID: jobID, By: by.Name, Note: reason}, nil)
		event.Type = "reopen"

		if err := db.RecordEvents(ctx, tx, []db.OrderEvent{event}); err != nil {
			return before, err
		}
	}

	return deadletter.Read(ctx, tx, jobID)
}

// lockLetter locks and reads a letter, for an act that has a reason.
func lockLetter(ctx context.Context, tx pgx.Tx, jobID int64, reason string) (letter deadletter.Job, d deadletter.Detail, err error) {
	if err := order.CheckWhy(reason); err != nil {
		return letter, d, err
	}

	letters, err := deadletter.LockJobs(ctx, tx, []int64{jobID})
	if err != nil {
		return letter, d, err
	}

	d, err = deadletter.Read(ctx, tx, jobID)

	return letters[jobID], d, err
}
