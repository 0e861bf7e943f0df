package workers_test

import (
	"context"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/jobs"
)

// A rolling deploy: the program of yesterday, which has never heard of points and
// notifications, works beside today's and is the leader, too. It leaves alone what
// it does not know, waiting or lost, and nothing is discarded as of an unknown kind.
func TestAnOldRegistryBesideANewOneLosesNoJob(t *testing.T) {
	t.Parallel()

	const orders = 20

	b := setup(t)
	startOld(b)
	b.eventually(1, `SELECT count(*) FROM river_leader WHERE leader_id = 'old'`)

	for range orders {
		b.order(1)
	}

	b.eventually(orders, `SELECT count(*) FROM river_job WHERE kind = 'inventory' AND state = 'completed' AND attempted_by = '{old}'`)
	time.Sleep(time.Second) // four polls of each queue

	if n := count(b, `SELECT count(*) FROM river_job WHERE kind <> 'inventory' AND state = 'available' AND attempt = 0`); n != 2*orders {
		t.Errorf("%d jobs wait for a worker that knows them, want %d", n, 2*orders)
	}

	// One of today's took a job and died: the old leader's rescuer would discard it after 20 s. It never gets it.
	b.exec(`INSERT INTO workers (id, host, pid, version, queues, lock_key, sessions) VALUES ('dead', '', 1, '', '{}', 1, '')`)
	b.exec(`UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{dead}' WHERE id = (SELECT max(id) FROM river_job WHERE kind = 'points')`)

	b.start()

	for range orders {
		b.order(1)
	}

	b.eventually(6*orders, `SELECT count(*) FROM river_job WHERE state = 'completed' AND queue <> 'maintenance'`)

	for sql, want := range map[string]int{
		`SELECT count(*) FROM river_job WHERE errors IS NOT NULL`:                                0,
		`SELECT count(*) FROM river_job WHERE state IN ('discarded', 'cancelled')`:               0,
		`SELECT count(*) FROM river_job WHERE kind <> 'inventory' AND 'old' = ANY(attempted_by)`: 0,
		`SELECT count(*) FROM points_entries`:                                                    2 * orders,
		`SELECT count(*) FROM notifications`:                                                     2 * orders,
		`SELECT count(*) FROM river_leader WHERE leader_id = 'old'`:                              1, // all the while
	} {
		if got := count(b, sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}
}

// startOld starts a program that has all the queues and settings of today's but knows one kind only.
func startOld(b *bundle) {
	b.t.Helper()

	kinds := river.NewWorkers()
	river.AddWorker(kinds, &oldInventory{})

	queues := map[string]river.QueueConfig{}
	for _, queue := range jobs.Queues() {
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
		Workers:              kinds,
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
	river.WorkerDefaults[jobs.Inventory]
}

func (*oldInventory) Work(context.Context, *river.Job[jobs.Inventory]) error { return nil }
