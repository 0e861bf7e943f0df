// Package flow is what the system does to orders. A file has one act: placing, a step,
// payment, cancellation, expiry. Each works on a slice of orders in the caller's
// transaction. The rules are in package order, the SQL is in db.
//
// Each act may run again, also at the same moment: the primary keys of the ledgers, of
// orders and of idempotency_keys make its effect happen once. [Spec] says how to add a
// step.
package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/groupcommit"
	"orders/order"
)

// A Queue enqueues jobs in the caller's transaction.
type Queue = river.Client[pgx.Tx]

// None is the result of an act that has none.
type None = struct{}

// A Spec is what the system does for a step; its [order.Step] says what the step is.
// Queues, handlers, settings, repair and explanations range over [Specs].
//
// To add a step: declare it in package order; give it a file here that returns its
// Spec, and list that in [Specs]; in a migration, add its ledger, a branch of the view
// step_effects and a row of the table steps. The tests of this package cover each Spec.
type Spec struct {
	order.Step

	// Apply does the step for the orders, once an order however often it is called:
	// the step's ledger key decides. It may enqueue follow-up work in the same
	// transaction. An order that does not exist is refused with [order.NotFound].
	Apply func(ctx context.Context, tx pgx.Tx, queue *Queue, ids []uuid.UUID) ([]groupcommit.Result[None], error)

	// Revoke makes the step net to zero for orders that this transaction has moved
	// to a final status. It undoes an effect that is there. If there is none, it
	// voids the step under the same ledger key, so that the step does nothing when
	// it runs later; a step that reads the order's status needs no void.
	Revoke func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error

	// WhenDead is what becomes of the order when the step's job is dead.
	WhenDead WhenDead
}

// WhenDead is what becomes of an order when a step's job is dead and is not redriven.
type WhenDead int

// What becomes of the order.
const (
	AskPerson WhenDead = iota // the order stays as it is, and an operator decides
	FailOrder                 // an order that is still pending fails and nets to zero
)

// Specs lists what the system does for each declared step, in the lock order of
// their tables: products, then ledgers.
func Specs() []Spec { return []Spec{inventory(), points(), notification()} }

// results are those of a step over ids, of which found have an order. An id without an
// order is refused; the others are done.
func results(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, found int) ([]groupcommit.Result[None], error) {
	done := make([]groupcommit.Result[None], len(ids))
	if found == len(ids) {
		return done, nil
	}

	missing, err := db.Missing(ctx, tx, ids)
	if err != nil {
		return nil, err
	}

	for i, id := range ids {
		if missing[id] {
			done[i].Err = notFound(id)
		}
	}

	return done, nil
}

func notFound(id uuid.UUID) error {
	return order.Errorf(order.NotFound, "There is no order %s.", id)
}

// declared finds a step's declaration. A test checks that each step has one.
func declared(name order.StepName) order.Step {
	step, _ := order.StepOf(name)

	return step
}
