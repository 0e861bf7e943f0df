// Package jobs is the queue's contract: the kinds of jobs, their args, their queues, what
// makes a job unique and how it is retried. It knows neither what enqueues a job nor what
// runs it.
//
// Args contain only ids, because River UI shows them and the database keeps them. A field
// may be added if it is optional. No field may be renamed, because jobs of the previous
// release may still wait.
package jobs

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"orders/order"
)

// OfOrder are the args of a job that works on one order: a declared step, whose
// name is the job's kind, or [Expire]. Orders that are placed together share jobs of
// [OfBatch] instead.
type OfOrder struct {
	OrderID  uuid.UUID      `json:"order_id"           river:"unique"`
	Template order.Template `json:"template,omitempty" river:"unique"` // of a step that sends a message

	kind string
	raw  json.RawMessage // instead of the fields above, for [Again]
}

// Step makes the args of the job of an order's step.
func Step(step order.Step, id uuid.UUID) OfOrder {
	return OfOrder{OrderID: id, Template: step.Template, kind: string(step.Name)}
}

// Expire makes the args of the job that runs at a held order's deadline: it ends the order
// if it is not paid.
func Expire(id uuid.UUID) OfOrder { return OfOrder{OrderID: id, kind: KindExpire} }

// Again makes the args of a new job from the args of a job that has ended, as the queue
// kept them. Fields that this program does not know are kept, too.
func Again(kind string, args json.RawMessage) OfOrder { return OfOrder{kind: kind, raw: args} }

// Kind names the job.
func (a OfOrder) Kind() string { return a.kind }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a OfOrder) InsertOpts() river.InsertOpts { return insertOpts(a.kind) }

// MarshalJSON writes the fields, or the raw args of [Again]. River makes the job's unique
// key of what it writes.
func (a OfOrder) MarshalJSON() ([]byte, error) {
	if a.raw != nil {
		return a.raw, nil
	}

	type fields OfOrder // without this method

	return json.Marshal(fields(a))
}

// sharedSuffix is what the kind of a job that orders share has behind the step's name. A
// kind of its own keeps the job from workers of the release before, which fetch only the
// kinds that they know.
const sharedSuffix = "_batch"

// OfBatch are the args of a job that does a step for several orders, which were placed in
// one transaction. The job is unique by its batch alone: batch_job_key makes the same key
// in SQL, from the batch that is kept with each order.
type OfBatch struct {
	Orders   int            `json:"orders"` // for people: River UI's list shows the args, and jsonb has the shortest key first
	BatchID  uuid.UUID      `json:"batch_id"           river:"unique"`
	OrderIDs []uuid.UUID    `json:"order_ids"`
	Template order.Template `json:"template,omitempty"` // of a step that sends a message

	kind string
}

// Batch makes the args of the job that orders share for a step.
func Batch(step order.Step, batch uuid.UUID, ids []uuid.UUID) OfBatch {
	return OfBatch{
		Orders: len(ids), BatchID: batch, OrderIDs: ids, Template: step.Template, kind: string(step.Name) + sharedSuffix,
	}
}

// Params are the job to insert, with its number of orders in the metadata. There SQL reads the number cheaply: the
// args of 256 orders are 10 kB, which Postgres keeps outside the row.
func (a OfBatch) Params() river.InsertManyParams {
	return river.InsertManyParams{
		Args:       a,
		InsertOpts: &river.InsertOpts{Metadata: fmt.Appendf(nil, `{%q: %d}`, MetaOrders, len(a.OrderIDs))},
	}
}

// Kind names the job.
func (a OfBatch) Kind() string { return a.kind }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a OfBatch) InsertOpts() river.InsertOpts { return insertOpts(a.kind) }

// StepOf finds the step that jobs of a kind do, for one order or for several; false if the
// kind is not that of a step.
func StepOf(kind string) (order.Step, bool) {
	return order.StepOf(order.StepName(strings.TrimSuffix(kind, sharedSuffix)))
}

// Shared tells whether jobs of the kind do a step for several orders.
func Shared(kind string) bool {
	_, isStep := StepOf(kind)

	return isStep && strings.HasSuffix(kind, sharedSuffix)
}

// The kinds of jobs that are not steps.
const (
	KindExpire         = "expire"
	KindCompensate     = "compensate"
	KindAudit          = "audit"
	KindStats          = "stats"
	KindPrune          = "prune"
	KindAlert          = "alert"
	KindDeliverWebhook = "deliver_webhook"
	KindDeliverMail    = "deliver_mail"
)

// Compensate repairs what went wrong: dead letters, overdue orders, steps without a job.
type Compensate struct{}

// Kind names the job.
func (Compensate) Kind() string { return KindCompensate }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Compensate) InsertOpts() river.InsertOpts { return insertOpts(a.Kind()) }

// Audit checks the invariants on what is new since the last audit.
type Audit struct{}

// Kind names the job.
func (Audit) Kind() string { return KindAudit }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Audit) InsertOpts() river.InsertOpts { return insertOpts(a.Kind()) }

// Stats counts what happened in each minute.
type Stats struct{}

// Kind names the job.
func (Stats) Kind() string { return KindStats }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Stats) InsertOpts() river.InsertOpts { return insertOpts(a.Kind()) }

// Prune deletes idempotency keys, failed attempts and statistics that are past their retention.
type Prune struct{}

// Kind names the job.
func (Prune) Kind() string { return KindPrune }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Prune) InsertOpts() river.InsertOpts { return insertOpts(a.Kind()) }

// Alert posts to the alert webhook which conditions have begun and ended.
type Alert struct{}

// Kind names the job.
func (Alert) Kind() string { return KindAlert }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Alert) InsertOpts() river.InsertOpts { return insertOpts(a.Kind()) }

// DeliverWebhook sends events to a webhook: one job an endpoint, as long as the endpoint is not disabled.
type DeliverWebhook struct {
	EndpointID uuid.UUID `json:"endpoint_id" river:"unique"`
}

// Kind names the job.
func (DeliverWebhook) Kind() string { return KindDeliverWebhook }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a DeliverWebhook) InsertOpts() river.InsertOpts { return insertOpts(a.Kind()) }

// DeliverMail sends mail to customers: one job, as long as a worker knows a mail server.
type DeliverMail struct {
	EndpointID uuid.UUID `json:"endpoint_id" river:"unique"`
}

// Kind names the job.
func (DeliverMail) Kind() string { return KindDeliverMail }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a DeliverMail) InsertOpts() river.InsertOpts { return insertOpts(a.Kind()) }
