package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// textbookWorkers is how many jobs of a queue it runs at once: River's documentation's number.
const textbookWorkers = 100

// textbookClient makes the one client that enqueues and works, with River's defaults.
func textbookClient(pool *pgxpool.Pool, log *slog.Logger) (*river.Client[pgx.Tx], error) {
	kinds := river.NewWorkers()
	river.AddWorker(kinds, &textbookStep[jobs.Inventory, uuid.UUID]{
		pool: pool, step: flow.Reserve,
		item: func(a jobs.Inventory) uuid.UUID { return a.OrderID },
	})
	river.AddWorker(kinds, &textbookStep[jobs.Points, uuid.UUID]{
		pool: pool, step: flow.Award,
		item: func(a jobs.Points) uuid.UUID { return a.OrderID },
	})
	river.AddWorker(kinds, &textbookStep[jobs.Notification, db.Notice]{
		pool: pool, step: flow.Notify,
		item: func(a jobs.Notification) db.Notice {
			return db.Notice{OrderID: a.OrderID, Template: order.Template(a.Template)}
		},
	})

	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Logger: log,
		Queues: map[string]river.QueueConfig{
			jobs.QueueInventory:    {MaxWorkers: textbookWorkers},
			jobs.QueuePoints:       {MaxWorkers: textbookWorkers},
			jobs.QueueNotification: {MaxWorkers: textbookWorkers},
		},
		Workers: kinds,
	})
	if err != nil {
		return nil, fmt.Errorf("make textbook client: %w", err)
	}

	return client, nil
}

// textbookStep is the worker of a kind: a job's effect and its completion are one transaction.
type textbookStep[A river.JobArgs, In any] struct {
	river.WorkerDefaults[A]

	pool *pgxpool.Pool
	step db.Batch[In, flow.None]
	item func(A) In
}

func (s *textbookStep[A, In]) Work(ctx context.Context, job *river.Job[A]) error {
	return db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		results, err := s.step(ctx, tx, []In{s.item(job.Args)})
		if err != nil {
			return err
		}

		if err := results[0].Err; err != nil {
			return err
		}

		if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
			return fmt.Errorf("complete job: %w", err)
		}

		return nil
	})
}
