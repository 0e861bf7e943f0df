// Package explain tells operators why an order has not settled ([Why]) and what happened
// to it ([Timeline]). It knows the queue's states, which package order does not.
package explain

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/clock"
	"orders/db/progress"
	"orders/order"
)

// A Code names a reason why an order has not settled.
type Code string

// The codes. Reasons that need an operator come first. The first reason that holds is the
// answer.
const (
	DeadLetter      Code = "dead_letter"      // the step's job is dead and waits for a redrive
	GivenUp         Code = "given_up"         // the step's job was cancelled, or its letter dismissed
	Locked          Code = "locked"           // another session holds a row that the order's steps need
	Overdue         Code = "overdue"          // what the system does by itself is late
	QueuePaused     Code = "queue_paused"     // an operator has paused the step's queue
	NoWorker        Code = "no_worker"        // no worker fetches from the step's queue
	NoLeader        Code = "no_leader"        // no worker is leader, so due jobs do not become available
	JobMissing      Code = "job_missing"      // the step has no job; a sweep enqueues it within minutes
	WorkerDead      Code = "worker_dead"      // the step's worker has died; another rescues the job
	AwaitingRetry   Code = "awaiting_retry"   // an attempt has failed, another is due
	Retrying        Code = "retrying"         // an attempt has failed, another is running
	AwaitingPayment Code = "awaiting_payment" // the order is held
	Scheduled       Code = "scheduled"        // the step's job is due later
	OldSnapshot     Code = "old_snapshot"     // a transaction elsewhere keeps dead rows, which slow the queue down
	Queued          Code = "queued"           // nothing is wrong: the step's job waits for its turn
	Running         Code = "running"          // nothing is wrong: the step's job is running
	Paid            Code = "paid"             // nothing is wrong: the payment is kept until the stock is reserved
	Unknown         Code = "unknown"          // no reason is known
	Settled         Code = "settled"          // the order has settled
	Final           Code = "final"            // the order has settled in a final status
)

// Codes lists the codes, the most important first.
func Codes() []Code {
	return []Code{
		DeadLetter, GivenUp, Locked, Overdue, QueuePaused, NoWorker, NoLeader, JobMissing, WorkerDead, AwaitingRetry, Retrying,
		AwaitingPayment,
		Scheduled, OldSnapshot, Queued, Running, Paid, Unknown, Settled, Final,
	}
}

// A Reason is why an order, or one of its steps, has not settled.
type Reason struct {
	Code  Code
	Text  string         // the reason in words
	Step  order.StepName // the step that waits; empty for the order itself
	Until *time.Time     // when something happens without an operator; nil if that is not known
	Link  string         // address with more information; empty for none
}

// An Answer is the most important reason, followed by all reasons.
type Answer struct {
	Reason

	Reasons  []Reason // of the steps and of the order itself, the most important first; none if the order has settled
	Warnings []string // what does not delay the order, but an operator should mend
}

// Why reads and explains why an order has not settled, or that it has; [order.NotFound] if
// there is no such order. redriveAfter are the delays before each automatic redrive.
func Why(ctx context.Context, tx pgx.Tx, id uuid.UUID, redriveAfter []time.Duration) (order.Status, Answer, error) {
	facts, err := progress.ReadFacts(ctx, tx, id)
	if err != nil {
		return "", Answer{}, err
	}

	return facts.Order.Status, Explain(facts, redriveAfter), nil
}

// Explain explains the facts of an order: why it has not settled, or that it has.
func Explain(f progress.Facts, redriveAfter []time.Duration) Answer {
	a := answer(f, redriveAfter)
	a.Warnings = []string{}

	for _, c := range f.Clocks {
		if warning := clock.Warning("the worker's machine "+c.Host, c.Skew); warning != "" {
			a.Warnings = append(a.Warnings, warning)
		}
	}

	return a
}

func answer(f progress.Facts, redriveAfter []time.Duration) Answer {
	reasons := []Reason{}

	if f.Order.Status.Final() {
		return Answer{Reason: final(f.Order), Reasons: reasons}
	}

	switch {
	case f.Order.Status == order.AwaitingPayment:
		reasons = append(reasons, awaitingPayment(f, redriveAfter))
	case f.Order.Status == order.Pending && f.Payment != nil:
		reasons = append(reasons, reasonf(Paid,
			"The payment has come and is kept (reference %s); the order is confirmed when its stock is reserved.", f.Payment.Reference))
	}

	for _, s := range f.Order.Steps {
		step, _ := order.StepOf(s.Name)
		if s.State == order.Done || s.State == order.Skipped || !step.Due(f.Order.Status, f.Order.HoldUntil != nil) {
			continue
		}

		r := explanation{Facts: f, step: s.Name, work: f.Work[s.Name], redriveAfter: redriveAfter}.reason()
		r.Step = s.Name
		reasons = append(reasons, r)
	}

	if len(reasons) > 0 {
		reasons = append(reasons, locks(f)...)
		reasons = append(reasons, oldSnapshots(f, reasons)...)
	}

	slices.SortStableFunc(reasons, func(a, b Reason) int {
		return cmp.Compare(slices.Index(Codes(), a.Code), slices.Index(Codes(), b.Code))
	})

	switch {
	case len(reasons) > 0:
		return Answer{Reason: reasons[0], Reasons: reasons}
	case f.Order.Settled():
		return Answer{Reason: Reason{Code: Settled, Text: "The order is confirmed and all its work is done."}, Reasons: reasons}
	default:
		return Answer{Reason: Reason{Code: Unknown, Text: "No reason is known why the order has not settled."}, Reasons: reasons}
	}
}
