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

// walks are how orphans are looked for. Each order is looked at when it is old
// enough to have settled; those that are still pending, again and again; and all
// of them, slowly, for what happened to their jobs after that.
var walks = []db.Walk{
	{Name: "orphans", Grace: 5 * time.Minute},
	{Name: "orphans:pending", Where: "status = 'pending'", Cycle: true, Grace: time.Minute},
	{Name: "orphans:again", Cycle: true, Grace: 5 * time.Minute, Most: 2_000},
}

// AdoptOrphans looks at the next orders of each walk, at most limit, for steps
// that nothing will do any more, and enqueues their jobs again. There should never
// be any: they are kept as events of their orders, and counted. more tells whether
// a walk has not come to its end.
func AdoptOrphans(ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx], limit int) (orphans int, more bool, err error) {
	for _, walk := range walks {
		most := limit
		if walk.Most > 0 {
			most = min(limit, walk.Most)
		}

		stretch, err := walk.Next(ctx, tx, most)
		if err != nil {
			return 0, false, err
		}

		if stretch.Orders == 0 {
			continue
		}

		found, err := db.Orphans(ctx, tx, stretch)
		if err != nil {
			return 0, false, err
		}

		if err := adopt(ctx, tx, queue, found); err != nil {
			return 0, false, err
		}

		orphans += len(found)
		more = more || stretch.Orders == limit && walk.Most == 0
	}

	return orphans, more, nil
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
