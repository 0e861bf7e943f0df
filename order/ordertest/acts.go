package ordertest

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/deadletter"
	"orders/db/groupcommit"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// Step is the work of a declared step, as a group commit takes it.
func (b *Bundle) Step(name order.StepName) groupcommit.Batch[uuid.UUID, flow.None] {
	b.T.Helper()

	for _, spec := range flow.Specs() {
		if spec.Name == name {
			return func(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]groupcommit.Result[flow.None], error) {
				return spec.Apply(ctx, tx, b.Queue, ids)
			}
		}
	}

	b.T.Fatalf("flow.Specs() has no %s", name)

	return nil
}

// Apply applies a step to the orders in one transaction and returns an error for each.
func (b *Bundle) Apply(name order.StepName, ids ...uuid.UUID) []error {
	b.T.Helper()

	errs := make([]error, len(ids))

	b.InTx(func(tx pgx.Tx) error {
		results, err := b.Step(name)(b.T.Context(), tx, ids)
		for i, r := range results {
			errs[i] = r.Err
		}

		return err
	})

	return errs
}

// Settle applies all steps to the orders, as workers would in the end.
func (b *Bundle) Settle(ids ...uuid.UUID) {
	b.T.Helper()

	for _, step := range order.Steps() {
		b.Apply(step.Name, ids...)
	}
}

// Cancel cancels an order.
func (b *Bundle) Cancel(id uuid.UUID, reason string) (order.Order, error) {
	b.T.Helper()

	by := order.Actor{Name: "test", KnownBy: order.ByCLI}

	cancelled, err := one(b, flow.Cancel, flow.Cancellation{OrderID: id, Reason: reason, Actor: by})

	return cancelled.Order, err
}

// Pay pays an order, and does not say the amount.
func (b *Bundle) Pay(id uuid.UUID, reference string) (order.Order, error) {
	b.T.Helper()

	paid, err := b.PayAmount(id, order.Payment{Reference: reference})

	return paid.Order, err
}

// PayAmount pays an order.
func (b *Bundle) PayAmount(id uuid.UUID, payment order.Payment) (flow.Changed, error) {
	b.T.Helper()

	return one(b, flow.Pay(b.Queue), flow.Payment{OrderID: id, Payment: payment})
}

// Expire does what is done at an order's deadline.
func (b *Bundle) Expire(id uuid.UUID) error {
	b.T.Helper()

	_, err := one(b, flow.Expire(b.Queue), id)

	return err
}

// one does a batch of one item in a transaction of its own.
func one[In, Out any](b *Bundle, do groupcommit.Batch[In, Out], item In) (out Out, err error) {
	b.T.Helper()
	b.InTx(func(tx pgx.Tx) error {
		results, batchErr := do(b.T.Context(), tx, []In{item})
		if batchErr == nil {
			out, err = results[0].Value, results[0].Err
		}

		return batchErr
	})

	return out, err
}

// Enqueue enqueues a job of an order. Its template is that of the message that a notification sends, else empty.
func (b *Bundle) Enqueue(kind string, id uuid.UUID, template order.Template) {
	b.T.Helper()

	args, err := json.Marshal(jobs.OfOrder{OrderID: id, Template: template})
	if err != nil {
		b.T.Fatal(err)
	}

	if _, err := b.Queue.Insert(b.T.Context(), jobs.Again(kind, args), nil); err != nil {
		b.T.Fatal(err)
	}
}

// codes are what an error of each class looks like.
var codes = map[deadletter.Reason]order.Code{
	deadletter.Transient: order.Unavailable,
	deadletter.Permanent: order.NotFound,
}

// Die ends the order's live job of a kind as a worker does after the last attempt, with an error of the class, and
// returns the job's id, which is that of its dead letter.
func (b *Bundle) Die(kind string, id uuid.UUID, class deadletter.Reason) (jobID int64) {
	b.T.Helper()

	code, listed := codes[class]
	if !listed {
		code = order.Internal
	}

	err := b.Pool.QueryRow(b.T.Context(), `
		UPDATE river_job
		SET state = 'discarded',
			finalized_at = now(),
			attempt = max_attempts,
			errors = ARRAY[jsonb_build_object('at', now(), 'attempt', max_attempts, 'error', $3::text || ': broken', 'trace', '')],
			metadata = metadata || jsonb_build_object(
				$5::text, jsonb_build_object(max_attempts::text, jsonb_build_object('code', $3::text, 'class', $4::text)))
		WHERE kind = $1
			AND args ->> 'order_id' = $2
			AND finalized_at IS NULL
		RETURNING id`, kind, id.String(), string(code), string(class), jobs.MetaFailures).Scan(&jobID)
	if err != nil {
		b.T.Fatalf("discard %s job: %v", kind, err)
	}

	return jobID
}
