package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/jobs"
)

// River's settings for the ceiling: those that took the least processor time, as
// that is what bounds it. Tried on two cores, in seconds of Postgres and Go
// together for 1,000 orders: 500 workers 0.36, 1,000 0.38, 2,000 0.40, 4,000 0.43;
// of 2,000 workers, a cooldown of 2 ms 0.41, of 20 ms 0.40, of 50 ms 0.40; 250
// workers and 10 ms cost more than 500. A second client in the process gained nothing.
const (
	ceilingCooldown = 20 * time.Millisecond
	ceilingPoll     = 100 * time.Millisecond
	ceilingWorkers  = 500 // a queue
)

const noopsAnOrder = 3

// noopArgs are those of a step, but claim no uniqueness, which would cost a key and an index entry.
type noopArgs struct {
	OrderID uuid.UUID `json:"order_id"`
}

type (
	noopInventory    struct{ noopArgs }
	noopPoints       struct{ noopArgs }
	noopNotification struct{ noopArgs }
)

// Kind names the job.
func (noopInventory) Kind() string { return "noop_inventory" }

// Kind names the job.
func (noopPoints) Kind() string { return "noop_points" }

// Kind names the job.
func (noopNotification) Kind() string { return "noop_notification" }

// ceilingClient places and works the no-ops, and counts those that have run.
func ceilingClient(pool *pgxpool.Pool, done *atomic.Int64) (*river.Client[pgx.Tx], error) {
	kinds := river.NewWorkers()
	addNoop[noopInventory](kinds, done)
	addNoop[noopPoints](kinds, done)
	addNoop[noopNotification](kinds, done)

	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown:     ceilingCooldown,
		FetchPollInterval: ceilingPoll,
		Logger:            slog.New(slog.DiscardHandler),
		Queues: map[string]river.QueueConfig{
			jobs.QueueInventory:    {MaxWorkers: ceilingWorkers},
			jobs.QueuePoints:       {MaxWorkers: ceilingWorkers},
			jobs.QueueNotification: {MaxWorkers: ceilingWorkers},
		},
		Workers: kinds,
	})
	if err != nil {
		return nil, fmt.Errorf("make ceiling client: %w", err)
	}

	return client, nil
}

func addNoop[A river.JobArgs](kinds *river.Workers, done *atomic.Int64) {
	river.AddWorker(kinds, river.WorkFunc(func(context.Context, *river.Job[A]) error {
		done.Add(1)

		return nil
	}))
}

// placeNoops inserts the jobs of the orders.
func placeNoops(ctx context.Context, client *river.Client[pgx.Tx], orders int) error {
	const chunk = 10_000

	var work []river.InsertManyParams

	for n := range orders {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make id: %w", err)
		}

		args := noopArgs{OrderID: id}
		work = append(work,
			river.InsertManyParams{Args: noopInventory{args}, InsertOpts: &river.InsertOpts{Queue: jobs.QueueInventory}},
			river.InsertManyParams{Args: noopPoints{args}, InsertOpts: &river.InsertOpts{Queue: jobs.QueuePoints}},
			river.InsertManyParams{Args: noopNotification{args}, InsertOpts: &river.InsertOpts{Queue: jobs.QueueNotification}},
		)

		if len(work) < chunk && n < orders-1 {
			continue
		}

		if _, err := client.InsertManyFast(ctx, work); err != nil {
			return fmt.Errorf("place no-ops: %w", err)
		}

		work = work[:0]
	}

	return nil
}
