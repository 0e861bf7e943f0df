// Package jobs is the queue's contract: which kinds of job there are, what they
// carry, on which queue they wait, what makes one unique and how it is retried.
// It knows neither who enqueues a job nor who works it.
//
// Jobs carry ids only: River UI shows them and the database keeps them. A field
// may be added if it is optional; none may be renamed while jobs are waiting.
package jobs

import (
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
)

// The queues. Each step has one of its own, so that none waits behind another.
const (
	QueueInventory    = "inventory"
	QueuePoints       = "points"
	QueueNotification = "notification"
	QueueLifecycle    = "lifecycle"
	QueueMaintenance  = "maintenance"
)

// Inventory allocates an order's stock and confirms or rejects it.
type Inventory struct {
	OrderID uuid.UUID `json:"order_id" river:"unique"`
}

// Kind names the job.
func (Inventory) Kind() string { return "inventory" }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Inventory) InsertOpts() river.InsertOpts { return insertOpts(a) }

// Points gives the customer the order's points.
type Points struct {
	OrderID uuid.UUID `json:"order_id" river:"unique"`
}

// Kind names the job.
func (Points) Kind() string { return "points" }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Points) InsertOpts() river.InsertOpts { return insertOpts(a) }

// Notification puts a message into the customer's inbox.
type Notification struct {
	OrderID  uuid.UUID `json:"order_id" river:"unique"`
	Template string    `json:"template" river:"unique"`
}

// Kind names the job.
func (Notification) Kind() string { return "notification" }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Notification) InsertOpts() river.InsertOpts { return insertOpts(a) }

// Expire ends a held order that is still not paid at its deadline.
type Expire struct {
	OrderID uuid.UUID `json:"order_id" river:"unique"`
}

// Kind names the job.
func (Expire) Kind() string { return "expire" }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Expire) InsertOpts() river.InsertOpts { return insertOpts(a) }

// Compensate sweeps up behind what went wrong: dead letters, overdue orders, orphans.
type Compensate struct{}

// Kind names the job.
func (Compensate) Kind() string { return "compensate" }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Compensate) InsertOpts() river.InsertOpts { return insertOpts(a) }

// Audit proves the invariants on what is new since the last audit.
type Audit struct{}

// Kind names the job.
func (Audit) Kind() string { return "audit" }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Audit) InsertOpts() river.InsertOpts { return insertOpts(a) }

// Prune deletes what is past its time: idempotency keys after 24 hours, completed jobs after minutes.
type Prune struct{}

// Kind names the job.
func (Prune) Kind() string { return "prune" }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Prune) InsertOpts() river.InsertOpts { return insertOpts(a) }

// ForNewOrder are the jobs that placing an order enqueues, one a step. The points
// of a held order are enqueued when it is paid; until then, a job waits for its deadline.
func ForNewOrder(id uuid.UUID, created string, holdUntil *time.Time) []river.InsertManyParams {
	work := []river.InsertManyParams{
		{Args: Inventory{OrderID: id}},
		{Args: Notification{OrderID: id, Template: created}},
	}

	if holdUntil == nil {
		return append(work, river.InsertManyParams{Args: Points{OrderID: id}})
	}

	return append(work, river.InsertManyParams{
		Args:       Expire{OrderID: id},
		InsertOpts: &river.InsertOpts{ScheduledAt: *holdUntil},
	})
}
