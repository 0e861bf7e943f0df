package workers_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/jobs"
	"orders/order"
)

// A rolling deploy: an older program, which does not know points and notifications,
// works beside this one and is the leader. It leaves the jobs that it does not know
// alone, waiting or lost, and discards none as of an unknown kind.
func TestAnOlderProgramBesideThisOneLosesNoJob(t *testing.T) {
	t.Parallel()

	const orders, shared = 20, 5

	b := setup(t)
	startOld(b)
	b.eventually(1, `SELECT count(*) FROM river_leader WHERE leader_id = 'old'`)

	for range orders {
		b.order(1)
	}

	b.together(shared) // the old program knows inventory jobs, but not those that orders share

	// Jobs that the old program knows stand behind those that it does not know: once they are done, it has passed over these.
	b.exec(`
		INSERT INTO river_job (kind, queue, args, max_attempts)
		SELECT 'inventory', queue, jsonb_build_object('order_id', gen_random_uuid()), 10
		FROM unnest('{points,notification}'::text[]) AS queue`)
	b.eventually(orders+2, `SELECT count(*) FROM river_job WHERE kind = 'inventory' AND state = 'completed' AND attempted_by = '{old}'`)

	if n := count(b, `SELECT count(*) FROM river_job WHERE kind <> 'inventory' AND state = 'available' AND attempt = 0`); n != 2*orders+3 {
		t.Errorf("%d jobs wait for a worker that knows them, want %d", n, 2*orders+3)
	}

	// A worker of this program took a job and died: the old leader's rescuer would discard the job after 20 s. It never gets it.
	b.exec(`INSERT INTO workers (id, host, pid, version, queues, lock_key, sessions) VALUES ('dead', '', 1, '', '{}', 1, '')`)
	b.exec(`UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{dead}' WHERE id = (SELECT max(id) FROM river_job WHERE kind = 'points')`)

	b.start()

	for range orders {
		b.order(1)
	}

	b.eventually(6*orders+2+3, `SELECT count(*) FROM river_job WHERE state = 'completed' AND queue <> 'maintenance'`)

	for sql, want := range map[string]int{
		`SELECT count(*) FROM river_job WHERE errors IS NOT NULL`:                                0,
		`SELECT count(*) FROM river_job WHERE state IN ('discarded', 'cancelled')`:               0,
		`SELECT count(*) FROM river_job WHERE kind <> 'inventory' AND 'old' = ANY(attempted_by)`: 0,
		`SELECT count(*) FROM points_entries`:                                                    2*orders + shared,
		`SELECT count(*) FROM notifications`:                                                     2*orders + shared,
		`SELECT count(*) FROM river_leader WHERE leader_id = 'old'`:                              1, // all the while
	} {
		if got := count(b, sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}
}

// startOld starts a program that has all the queues and settings of this one, but knows one kind only.
func startOld(b *bundle) {
	b.t.Helper()

	handlers := river.NewWorkers()
	river.AddWorkerArgs(handlers, step(order.Inventory, uuid.Nil), &oldInventory{})

	queues := map[string]river.QueueConfig{}
	for queue := range jobs.Concurrency() {
		queues[queue] = river.QueueConfig{MaxWorkers: 50}
	}

	client, err := river.NewClient(riverpgxv5.New(b.pool), &river.Config{
		FetchOnlyKnownKinds:  true,
		FetchPollInterval:    250 * time.Millisecond,
		ID:                   "old",
		JobTimeout:           10 * time.Second,
		Logger:               b.log,
		Queues:               queues,
		RescueStuckJobsAfter: 20 * time.Second,
		Workers:              handlers,
	})
	if err != nil {
		b.t.Fatal(err)
	}

	if err := client.Start(context.WithoutCancel(b.t.Context())); err != nil {
		b.t.Fatal(err)
	}

	b.t.Cleanup(func() { client.Stop(context.WithoutCancel(b.t.Context())) })
}

// oldInventory does as little as is needed for the test.
type oldInventory struct {
	river.WorkerDefaults[jobs.OfOrder]
}

func (*oldInventory) Work(context.Context, *river.Job[jobs.OfOrder]) error { return nil }
