package flow

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
	"orders/order"
)

// Orphans are looked for once in each order, when it is old enough to have settled.
var firstWalk = db.Walk{Name: "orphans", Grace: 5 * time.Minute}

// They are looked for again in those that are still pending, and slowly in all,
// for what has happened to their jobs since. A look costs a tenth of a millisecond:
// with a million jobs waiting, walks without a bound took a third of the machine.
var laterWalks = []db.Walk{
	{Name: "orphans:pending", Where: "status = 'pending'", Cycle: true, Grace: time.Minute, Most: 10_000},
	{Name: "orphans:again", Cycle: true, Grace: 5 * time.Minute, Most: 2_000},
}

// AdoptOrphans looks at the next orders that have not been looked at, at most
// limit, for steps that nothing will do any more, and enqueues their jobs again.
// There should never be any: they are kept as events of their orders, and counted.
// more tells whether there may be others.
func AdoptOrphans(ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], limit int) (orphans int, more bool, err error) {
	walk := firstWalk
	walk.Most = limit

	orphans, walked, err := adoptAlong(ctx, tx, queue, walk)

	return orphans, walked == limit, err
}

// AdoptLateOrphans does so for orders that have been looked at, some of them each time.
func AdoptLateOrphans(ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx]) (orphans int, err error) {
	for _, walk := range laterWalks {
		n, _, err := adoptAlong(ctx, tx, queue, walk)
		if err != nil {
			return 0, err
		}

		orphans += n
	}

	return orphans, nil
}

func adoptAlong(ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], walk db.Walk) (orphans, walked int, err error) {
	stretch, err := walk.Next(ctx, tx)
	if err != nil || stretch.Orders == 0 {
		return 0, 0, err
	}

	found, err := db.Orphans(ctx, tx, stretch)
	if err != nil {
		return 0, 0, err
	}

	return len(found), stretch.Orders, adopt(ctx, tx, queue, found)
}

func adopt(ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], orphans []db.Orphan) error {
	if len(orphans) == 0 {
		return nil
	}

	work := make([]river.InsertManyParams, len(orphans))
	events := make([]db.OrderEvent, len(orphans))

	for i, o := range orphans {
		work[i] = river.InsertManyParams{Args: stepArgs(o.Step, o.OrderID)}
		events[i] = db.OrderEvent{OrderID: o.OrderID, Type: "orphan", Detail: map[string]any{"step": o.Step}}
	}

	if _, err := queue.InsertManyTx(ctx, tx, work); err != nil {
		return fmt.Errorf("enqueue orphans: %w", err)
	}

	return db.RecordEvents(ctx, tx, events)
}

// stepArgs are the args of a new order's step.
func stepArgs(step order.StepName, id uuid.UUID) river.JobArgs {
	switch step {
	case order.Inventory:
		return jobs.Inventory{OrderID: id}
	case order.Points:
		return jobs.Points{OrderID: id}
	case order.Notification:
	}

	return jobs.Notification{OrderID: id, Template: string(order.NoticeCreated)}
}
