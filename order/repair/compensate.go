// Package repair is what the system does when something has gone wrong. It compensates
// for dead letters ([Sweeps]), redrives and resolves them ([Redrive], [ResolveLetter]) and
// enqueues missing jobs ([MissingJobs]).
package repair

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/deadletter"
	"orders/db/progress"
	"orders/db/savepoint"
	"orders/order"
	"orders/order/flow"
)

// actor is the actor when the system repairs something by itself.
const actor = "compensate"

// Rules are what operators may choose about repair.
type Rules struct {
	PendingDeadline time.Duration   // how long an order may be pending
	RedriveAfter    []time.Duration // delay before each automatic redrive; after the last one an operator decides
}

// DefaultRules are the rules of a program that sets none.
func DefaultRules() Rules {
	return Rules{
		PendingDeadline: 15 * time.Minute,
		RedriveAfter:    []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute},
	}
}

// A Sweep repairs at most limit letters in the caller's transaction. It returns how many
// letters it changed. failure is the error of letters that it could not repair: the others
// are repaired all the same.
type Sweep struct {
	Name string
	Run  func(ctx context.Context, tx pgx.Tx, limit int) (changed int, failure, err error)
}

// doDue does what is due for letters; the results are those of [Sweep].
type doDue func(ctx context.Context, tx pgx.Tx, letters []deadletter.DueLetter) (changed int, failure, err error)

// Sweeps repair dead letters. Run each in a transaction of its own: if one fails, the
// others still repair what they can.
//
//	transient or poison, with redrives left ───► the letter is redriven
//	a step whose death fails the order ────────► the order fails and nets to zero
//	anything else ─────────────────────────────► the letter needs attention, the order stays as it is
//	needs attention, but its work is done ─────► the letter is resolved
func Sweeps(queue *flow.Queue, rules Rules) []Sweep {
	due := func(name string, action deadletter.Action, do doDue) Sweep {
		return Sweep{name, func(ctx context.Context, tx pgx.Tx, limit int) (int, error, error) {
			letters, err := deadletter.LockDue(ctx, tx, action, deadletter.Rules{
				RedriveAfter: rules.RedriveAfter,
				FailOrder:    failingKinds(),
			}, limit)
			if err != nil || len(letters) == 0 {
				return 0, nil, err
			}

			return do(ctx, tx, letters)
		}}
	}

	return []Sweep{
		due(progress.SweepRedrive, deadletter.ToRedrive, allOrNone(func(
			ctx context.Context, tx pgx.Tx, letters []deadletter.DueLetter,
		) (int, error) {
			return redriveDue(ctx, tx, queue, letters, len(rules.RedriveAfter))
		})),
		due(progress.SweepGiveUp, deadletter.ToFail, giveUpOrders),
		due(progress.SweepAttention, deadletter.ToAttention, allOrNone(markForAttention)),
		{progress.SweepResolveDone, func(ctx context.Context, tx pgx.Tx, limit int) (int, error, error) {
			n, err := resolveDone(ctx, tx, queue, limit)

			return n, nil, err
		}},
	}
}

// allOrNone makes a [doDue] of what does all letters or fails.
func allOrNone(do func(context.Context, pgx.Tx, []deadletter.DueLetter) (int, error)) doDue {
	return func(ctx context.Context, tx pgx.Tx, letters []deadletter.DueLetter) (int, error, error) {
		n, err := do(ctx, tx, letters)

		return n, nil, err
	}
}

// failingKinds are the kinds of the steps whose death fails the order.
func failingKinds() []string {
	kinds := []string{} // never null in SQL

	for _, spec := range flow.Specs() {
		if spec.WhenDead == flow.FailOrder {
			kinds = append(kinds, string(spec.Name))
		}
	}

	return kinds
}

// requests ask for a redrive of each letter, as one operation.
func requests(letters []deadletter.DueLetter, note func(deadletter.DueLetter) string) []RedriveRequest {
	list := make([]RedriveRequest, len(letters))
	operation := uuid.Must(uuid.NewV7())

	for i, l := range letters {
		list[i] = RedriveRequest{JobID: l.JobID, OperationID: operation, Actor: order.Actor{Name: actor}, Note: note(l)}
	}

	return list
}

// redriveDue redrives letters whose cause may have passed. A letter that cannot be
// redriven needs attention. If the work has a live job, the letter waits for that job.
func redriveDue(ctx context.Context, tx pgx.Tx, queue *flow.Queue, letters []deadletter.DueLetter, budget int) (int, error) {
	redrives := requests(letters, func(l deadletter.DueLetter) string {
		return fmt.Sprintf("automatic redrive %d of %d", l.Redrives+1, budget)
	})

	results, err := Redrive(ctx, tx, queue, redrives, true)
	if err != nil {
		return 0, err
	}

	var (
		able      []RedriveRequest
		attention []int64
	)

	for i, result := range results {
		switch result.Outcome {
		case Eligible, AlreadyApplied, OrderIsFinal:
			able = append(able, redrives[i])
		case LiveJobExists:
		case Redriven, AlreadyResolved, NotRedrivable, NotFound:
			attention = append(attention, redrives[i].JobID)
		}
	}

	if err := deadletter.NeedAttention(ctx, tx, attention); err != nil {
		return 0, err
	}

	if len(able) == 0 {
		return len(attention), nil
	}

	_, err = Redrive(ctx, tx, queue, able, false)

	return len(attention) + len(able), err
}

// giveUpOrders fails the pending orders of letters whose step must not be missing. If that
// fails for an order, it is recorded with its letter, and the others fail all the same.
func giveUpOrders(ctx context.Context, tx pgx.Tx, letters []deadletter.DueLetter) (done int, failure, err error) {
	faults, err := savepoint.IsolateLocked(ctx, tx, letters, func(tx pgx.Tx, letters []deadletter.DueLetter) error {
		return giveUp(ctx, tx, letters)
	})
	if err != nil {
		return 0, nil, err
	}

	return len(letters) - len(faults.Items), faults.First(), deadletter.SweepFailed(ctx, tx, jobIDsOf(faults.Items))
}

// giveUp fails pending orders. An order that is not pending any more stays as it is. If its
// step is still not done, an operator must decide.
func giveUp(ctx context.Context, tx pgx.Tx, letters []deadletter.DueLetter) error {
	reasons := make(map[uuid.UUID]order.Reason, len(letters))

	for _, l := range letters {
		reasons[*l.OrderID] = order.Failing(order.StepName(l.Kind), l.Reason == deadletter.Cancelled)
	}

	failed, err := flow.GiveUp(ctx, tx, reasons, actor)
	if err != nil {
		return err
	}

	works := make([]progress.Work, len(letters))
	for i, l := range letters {
		works[i] = progress.Work{Kind: l.Kind, OrderID: *l.OrderID}
	}

	statuses, err := progress.Statuses(ctx, tx, works)
	if err != nil {
		return err
	}

	var (
		attention []int64
		ends      []deadletter.Closing
	)

	for i, l := range letters {
		switch {
		case failed[*l.OrderID]:
			ends = append(ends, deadletter.Closing{
				JobID: l.JobID, Resolution: deadletter.Compensated, By: actor, Note: "the order failed and was undone",
			})
		case statuses[works[i]].Applied:
			ends = append(ends, deadletter.Closing{
				JobID: l.JobID, Resolution: deadletter.Applied, By: actor, Note: "the order is not pending any more",
			})
		default:
			attention = append(attention, l.JobID)
		}
	}

	if err := deadletter.NeedAttention(ctx, tx, attention); err != nil {
		return err
	}

	return deadletter.Resolve(ctx, tx, ends)
}

// markForAttention leaves letters to an operator.
func markForAttention(ctx context.Context, tx pgx.Tx, letters []deadletter.DueLetter) (int, error) {
	return len(letters), deadletter.NeedAttention(ctx, tx, jobIDsOf(letters))
}

func jobIDsOf(letters []deadletter.DueLetter) []int64 {
	jobIDs := make([]int64, len(letters))
	for i, l := range letters {
		jobIDs[i] = l.JobID
	}

	return jobIDs
}

// resolveDone resolves letters that need attention, if their work has been done since or
// must not be done any more.
func resolveDone(ctx context.Context, tx pgx.Tx, queue *flow.Queue, limit int) (int, error) {
	letters, err := deadletter.LockNeedingAttention(ctx, tx, limit)
	if err != nil || len(letters) == 0 {
		return 0, err
	}

	redrives := requests(letters, func(deadletter.DueLetter) string { return "nothing is left to do" })

	results, err := Redrive(ctx, tx, queue, redrives, true)
	if err != nil {
		return 0, err
	}

	var done []RedriveRequest

	for i, result := range results {
		if result.Outcome == AlreadyApplied || result.Outcome == OrderIsFinal {
			done = append(done, redrives[i])
		}
	}

	if len(done) == 0 {
		return 0, nil
	}

	_, err = Redrive(ctx, tx, queue, done, false)

	return len(done), err
}
