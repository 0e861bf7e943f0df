package repair

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db/action"
	"orders/order"
	"orders/order/flow"
)

// Pause pauses a queue: no job of it begins until it is resumed. A queue that is paused stays
// as it is. It returns [order.NotFound] if no worker has worked the queue yet.
func Pause(ctx context.Context, tx pgx.Tx, queue *flow.Queue, name string, by order.Actor) error {
	return setPaused(ctx, tx, queue, name, true, by)
}

// Resume lets the jobs of a queue run again. It is as [Pause] else.
func Resume(ctx context.Context, tx pgx.Tx, queue *flow.Queue, name string, by order.Actor) error {
	return setPaused(ctx, tx, queue, name, false, by)
}

func setPaused(ctx context.Context, tx pgx.Tx, queue *flow.Queue, name string, paused bool, by order.Actor) error {
	is, err := queue.QueueGetTx(ctx, tx, name)
	if errors.Is(err, river.ErrNotFound) {
		return order.Errorf(order.NotFound, "The queue %q is not in the database yet; start a worker once (orders work).", name)
	}

	if err != nil {
		return fmt.Errorf("read queue: %w", err)
	}

	if (is.PausedAt != nil) == paused {
		return nil
	}

	change, done := queue.QueueResumeTx, action.ResumeQueue
	if paused {
		change, done = queue.QueuePauseTx, action.PauseQueue
	}

	if err := change(ctx, tx, name, nil); err != nil {
		return fmt.Errorf("pause or resume queue: %w", err)
	}

	return action.Record(ctx, tx, action.Action{By: by, Name: done, Target: action.Target{Kind: action.Queue, ID: name}})
}
