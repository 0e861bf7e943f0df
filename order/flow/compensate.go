package flow

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/order"
)

// compensator is who acts when the system puts things right by itself.
const compensator = "compensate"

// Compensation is by what rules things that went wrong are put right.
type Compensation struct {
	PendingDeadline time.Duration   // an order may be pending for
	RedriveAfter    []time.Duration // a dead letter that looks transient waits before each redrive; then people are asked
}

// DefaultCompensation are the rules of who chooses nothing.
func DefaultCompensation() Compensation {
	return Compensation{
		PendingDeadline: 15 * time.Minute,
		RedriveAfter:    []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute},
	}
}

// Sweeps are what is done about dead letters, each in a transaction of its own, so
// that a step whose tables are broken keeps no other from being put right:
//
//	transient or poison, with redrives left ─► redriven
//	inventory ────────────────────────────────► the order fails and nets to zero
//	anything else ────────────────────────────► the order stands, and a person is asked
//	a person was asked, and it is done ───────► closed
//
// Each handles at most limit letters and returns for how many it did something.
func Sweeps(queue *river.Client[pgx.Tx], rules Compensation) []func(ctx context.Context, tx pgx.Tx, limit int) (int, error) {
	type act func(ctx context.Context, tx pgx.Tx, letters []db.DueLetter) (int, error)

	due := func(what db.Due, do act) func(ctx context.Context, tx pgx.Tx, limit int) (int, error) {
		return func(ctx context.Context, tx pgx.Tx, limit int) (int, error) {
			letters, err := db.LockDueLetters(ctx, tx, what, rules.RedriveAfter, limit)
			if err != nil || len(letters) == 0 {
				return 0, err
			}

			return do(ctx, tx, letters)
		}
	}

	return []func(ctx context.Context, tx pgx.Tx, limit int) (int, error){
		due(db.DueForRedrive, func(ctx context.Context, tx pgx.Tx, letters []db.DueLetter) (int, error) {
			return redriveDue(ctx, tx, queue, letters, len(rules.RedriveAfter))
		}),
		due(db.DueToFail, giveUpOrders),
		due(db.DueForAttention, askForAttention),
		func(ctx context.Context, tx pgx.Tx, limit int) (int, error) { return closeDone(ctx, tx, queue, limit) },
	}
}

// redriveDue redrives letters that may be well by now. One that no redrive can
// help is a person's; one whose work has a job already waits for that job.
func redriveDue(ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], letters []db.DueLetter, budget int) (int, error) {
	redrives := make([]Redrive, len(letters))
	operation := uuid.Must(uuid.NewV7())

	for i, l := range letters {
		redrives[i] = Redrive{
			JobID: l.JobID, OperationID: operation, Actor: compensator,
			Note: fmt.Sprintf("it may be well by now: redrive %d of %d", l.Redrives+1, budget),
		}
	}

	outcomes, err := RedriveLetters(ctx, tx, queue, redrives, true)
	if err != nil {
		return 0, err
	}

	var (
		able []Redrive
		ask  []int64
	)

	for i, outcome := range outcomes {
		switch outcome.Value {
		case OutcomeEligible, OutcomeAlreadyApplied, OutcomeOrderIsFinal:
			able = append(able, redrives[i])
		case OutcomeLiveJobExists:
		case OutcomeRedriven, OutcomeAlreadyResolved, OutcomeCannotRedrive, OutcomeNotFound:
			ask = append(ask, redrives[i].JobID)
		}
	}

	if err := db.AskForAttention(ctx, tx, ask); err != nil {
		return 0, err
	}

	if len(able) == 0 {
		return len(ask), nil
	}

	_, err = RedriveLetters(ctx, tx, queue, able, false)

	return len(ask) + len(able), err
}

// giveUpOrders ends the orders whose stock cannot be reserved. One that has come
// further after all, by a later job, keeps what it has.
func giveUpOrders(ctx context.Context, tx pgx.Tx, letters []db.DueLetter) (int, error) {
	ids := make([]uuid.UUID, len(letters))
	for i, l := range letters {
		ids[i] = *l.OrderID
	}

	orders, err := db.LockOrders(ctx, tx, ids)
	if err != nil {
		return 0, err
	}

	var endings []ending

	failed := map[uuid.UUID]bool{}

	for _, o := range orders {
		if _, err := o.Status.Next(order.GiveUp); err == nil {
			failed[o.ID] = true
			endings = append(endings, ending{order: o, event: order.GiveUp, reason: "stock could not be reserved", actor: compensator})
		}
	}

	ends := make([]db.LetterEnd, len(letters))

	for i, l := range letters {
		ends[i] = db.LetterEnd{JobID: l.JobID, Resolution: db.ResolvedApplied, By: compensator, Note: "the order is not pending any more"}
		if failed[*l.OrderID] {
			ends[i].Resolution, ends[i].Note = db.ResolvedCompensated, "the order failed and was undone"
		}
	}

	if err := end(ctx, tx, endings); err != nil {
		return 0, err
	}

	return len(ends), db.ResolveDeadLetters(ctx, tx, ends)
}

// askForAttention leaves letters to a person.
func askForAttention(ctx context.Context, tx pgx.Tx, letters []db.DueLetter) (int, error) {
	jobIDs := make([]int64, len(letters))
	for i, l := range letters {
		jobIDs[i] = l.JobID
	}

	return len(jobIDs), db.AskForAttention(ctx, tx, jobIDs)
}

// closeDone takes back what a person was asked when the work has been done since,
// or must not be done any more.
func closeDone(ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], limit int) (int, error) {
	asked, err := db.LockAskedLetters(ctx, tx, limit)
	if err != nil || len(asked) == 0 {
		return 0, err
	}

	redrives := make([]Redrive, len(asked))
	operation := uuid.Must(uuid.NewV7())

	for i, l := range asked {
		redrives[i] = Redrive{JobID: l.JobID, OperationID: operation, Actor: compensator, Note: "nothing is left to do"}
	}

	outcomes, err := RedriveLetters(ctx, tx, queue, redrives, true)
	if err != nil {
		return 0, err
	}

	var done []Redrive

	for i, outcome := range outcomes {
		if outcome.Value == OutcomeAlreadyApplied || outcome.Value == OutcomeOrderIsFinal {
			done = append(done, redrives[i])
		}
	}

	if len(done) == 0 {
		return 0, nil
	}

	_, err = RedriveLetters(ctx, tx, queue, done, false)

	return len(done), err
}
