package api_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api"
	"orders/api/admission"
	"orders/db/dbtest"
	"orders/order"
	"orders/order/flow"
)

// pressed runs a pressure on the API's pool.
func pressed(t *testing.T, maxWait time.Duration, done *sync.WaitGroup) func(*api.Options) {
	t.Helper()

	return func(o *api.Options) {
		o.Admission = admission.NewController(admission.Options{Pool: o.Pool, Log: o.Log, MaxWait: maxWait})
		done.Go(func() { o.Admission.Run(t.Context()) })
		t.Cleanup(done.Wait)
	}
}

// until waits for the answer to a placing to be of a status.
func (b *bundle) until(t *testing.T, status int) reply {
	t.Helper()

	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1)); r.status == status {
			return r
		}
	}

	t.Fatalf("no %d within a minute", status)

	return reply{}
}

// aWorker is a row of a living worker that works the steps.
const aWorker = `
	INSERT INTO workers (id, host, pid, version, queues, sessions, seen_at)
	VALUES ('w', '', 1, '', '{"inventory": 5, "points": 5, "notification": 5}', '', now() + interval '1 hour')`

// aBacklog are orders of which one in a millisecond has come.
const aBacklog = `
	INSERT INTO river_job (queue, kind, args, max_attempts, created_at, scheduled_at)
	SELECT 'points', 'points', '{"order_id": "x"}', 1, at, at
	FROM generate_series(1, 20000) AS n, LATERAL (SELECT now() - (20001 - n) * interval '1 ms') AS t (at)`

// overload puts a backlog into a queue. It is worked at five orders a second, and more come, until the
// test ends or stop is called.
func overload(t *testing.T, pool *pgxpool.Pool, working *sync.WaitGroup) (stop func()) {
	t.Helper()

	for _, sql := range []string{aWorker, aBacklog} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}

	ctx, stop := context.WithCancel(t.Context())

	working.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
			pool.Exec(ctx, `
				WITH more AS (
					INSERT INTO river_job (queue, kind, args, max_attempts)
					SELECT 'points', 'points', '{"order_id": "x"}', 1
					FROM generate_series(1, 50)
				)
				UPDATE river_job
				SET state = 'completed', finalized_at = now()
				WHERE id = (SELECT id FROM river_job WHERE state = 'available' AND queue = 'points' ORDER BY scheduled_at LIMIT 1)`)
		}
	})

	return stop
}

func TestOrdersAreRefusedWhileWorkComesFasterThanItIsDone(t *testing.T) {
	t.Parallel()

	var running sync.WaitGroup

	b := setup(t, pressed(t, 10*time.Second, &running))
	b.stock(t, "tea", 100, 100_000)

	first := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Idempotency-Key", "k")
	if first.status != 201 {
		t.Fatalf("nothing waits: %d %s", first.status, first.body)
	}

	stop := overload(t, b.pool, &running)
	r := b.until(t, 503)
	p := wantProblem(t, r, 503, order.Overloaded)

	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 ||
		!strings.Contains(p.Detail, "The points queue is overloaded") || !strings.Contains(p.Detail, " s;") {
		t.Errorf("Retry-After %q: %s", r.header.Get("Retry-After"), p.Detail)
	}

	// None of the refused reaches a transaction, one that stands for an order already no more than the others.
	refused, accepted, before := 0, 0, b.count(t, "orders")

	for refused < 20 {
		for _, headers := range [][]string{nil, {"Idempotency-Key", "k"}} {
			switch r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), headers...); {
			case r.status == 503:
				wantProblem(t, r, 503, order.Overloaded)

				refused++
			case headers == nil:
				accepted++
			}
		}
	}

	if n := b.count(t, "orders"); n != before+accepted {
		t.Errorf("%d orders were written, want %d", n-before, accepted)
	}

	if r := b.ask(t, "GET", "/orders", ""); r.status != 200 {
		t.Errorf("reading: %d %s", r.status, r.body)
	}

	if line := b.log.line(t, "requests are refused"); line == nil || line["cause"] != string(order.Overloaded) || line["queue"] != "points" || line["wait"] == nil {
		t.Errorf("the log has %v", line)
	}

	stop()

	if _, err := b.pool.Exec(t.Context(), `UPDATE river_job SET state = 'completed', finalized_at = now()`); err != nil {
		t.Fatal(err)
	}

	for inRow, deadline := 0, time.Now().Add(time.Minute); inRow < 100; inRow++ {
		if r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1)); r.status != 201 {
			inRow = 0
		}

		if time.Now().After(deadline) {
			t.Fatal("orders are still refused")
		}
	}

	if again := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Idempotency-Key", "k"); again.status != 201 || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the key that was refused: %d %s", again.status, again.body)
	}
}

// Accepting an order needs the database only, and its work is durable. So what keeps work from being
// done is no reason to refuse.
func TestNoOrderIsRefusedForAQueueThatIsNotWorked(t *testing.T) {
	t.Parallel()

	const aged = `UPDATE river_job SET created_at = created_at - interval '1 hour', scheduled_at = scheduled_at - interval '1 hour'`

	for name, condition := range map[string][]string{
		"no worker":          {aBacklog, aged},
		"a dead worker":      {aWorker, `UPDATE workers SET ended_at = now()`, aBacklog, aged},
		"of other queues":    {aWorker, `UPDATE workers SET queues = queues - 'points'`, aBacklog, aged},
		"a paused queue":     {aWorker, `INSERT INTO river_queue (name, paused_at, updated_at) VALUES ('points', now(), now())`, aBacklog, aged},
		"a poison job":       {aWorker, aBacklog, aged, `DELETE FROM river_job WHERE id % 20000 <> 1`},
		"jobs none can do":   {aWorker, aBacklog, aged},
		"a retry that waits": {aWorker, aBacklog, `UPDATE river_job SET state = 'retryable', scheduled_at = now() + interval '1 hour'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var running sync.WaitGroup

			b := setup(t, pressed(t, time.Second, &running))
			b.stock(t, "tea", 100, 100_000)

			for _, sql := range condition {
				if _, err := b.pool.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}

			for start := time.Now(); time.Since(start) < 6*time.Second; time.Sleep(20 * time.Millisecond) { // of readings: no event tells that none refuses
				b.place(t, "u", "tea", 1)
			}
		})
	}
}

// When nothing is known any more, placing itself tells what is wrong.
func TestNothingIsRefusedWhenTheBacklogIsNotKnown(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	var running sync.WaitGroup

	overload(t, pool, &running)

	b := serve(t, func(o *api.Options) { o.Pool = pool }, pressed(t, time.Second, &running))
	b.until(t, 503)

	if _, err := pool.Exec(t.Context(), `ALTER TABLE river_job RENAME TO elsewhere`); err != nil {
		t.Fatal(err)
	}

	for deadline := time.Now().Add(time.Minute); b.log.line(t, "how long work waits is not known") == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the log does not tell")
		}
	}

	for range 100 {
		if r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1)); r.status != 201 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
}

// A refusal is made of what is known already: nothing is asked to place the order.
func TestARefusalDoesNotTryToPlace(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	var (
		running sync.WaitGroup
		tried   atomic.Int64
	)

	overload(t, pool, &running)

	b := serve(t, func(o *api.Options) {
		o.Pool, o.Place = pool, func(context.Context, flow.Placement) (flow.Placed, error) {
			tried.Add(1)

			return flow.Placed{Order: order.Order{Status: order.Pending}}, nil
		}
	}, pressed(t, time.Second, &running))

	for refused, accepted := 0, int64(0); refused < 20; {
		if b.ask(t, "POST", "/orders", placeBody("u", "tea", 1)).status == 503 {
			refused++
		} else {
			accepted++
		}

		if n := tried.Load(); n != accepted {
			t.Fatalf("%d orders were to be placed, %d were accepted", n, accepted)
		}
	}
}
