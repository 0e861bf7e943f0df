// Package flow is what the system does to orders. Each file has one act: placing, a step,
// payment, cancellation, expiry. Each act works on a slice of orders in the caller's
// transaction. The rules are in package order, the SQL is in package db.
//
// Each act may run twice, even at the same moment. The primary keys of the ledgers, of
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

// None is the result of an act that returns nothing.
type None = struct{}

// A Spec is what the system does for a step; its [order.Step] says what the step is.
// Queues, handlers, settings, repair and explanations range over [Specs].
//
// To add a step, declare it in package order. Write a file here that returns its Spec,
// and list the Spec in [Specs]. In a migration, add its ledger, a branch of the view
// step_effects and a row of the table steps. Tests of this package and TestConformance
// in cmd/orders cover each Spec. docs/adding-a-step.md shows an example.
type Spec struct {
	order.Step

	// Apply does the step for the orders. Its effect happens once for each order, even
	// if Apply is called again: the step's ledger key ensures that. Apply may enqueue
	// follow-up work in the same transaction. An order that does not exist is refused with [order.NotFound].
	Apply func(ctx context.Context, tx pgx.Tx, queue *Queue, ids []uuid.UUID) ([]groupcommit.Result[None], error)

	// Revoke makes the step net to zero for orders that this transaction has moved
	// to a final status. If the effect exists, Revoke undoes it. If not, it voids
	// the step under the same ledger key, so that the step does nothing when it runs
	// later. A step that reads the order's status needs no void.
	Revoke func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error

	// WhenDead is what becomes of the order when the step's job is dead.
	WhenDead WhenDead
}

// WhenDead is what becomes of an order when a step's job is dead and is not redriven.
type WhenDead int

// What becomes of the order.
const (
	AskOperator WhenDead = iota // the order stays as it is, and an operator decides
	FailOrder                   // an order that is still pending fails and nets to zero
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
