package api_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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

func TestOrdersAreRefusedWhileWorkWaitsTooLong(t *testing.T) {
	t.Parallel()

	var running sync.WaitGroup

	b := setup(t, pressed(t, 10*time.Second, &running))
	b.stock(t, "tea", 100, 1_000)

	first := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Idempotency-Key", "k")
	if first.status != 201 {
		t.Fatalf("nothing waits: %d %s", first.status, first.body)
	}

	wait := func(interval string) {
		t.Helper()

		if _, err := b.pool.Exec(t.Context(), `UPDATE river_job SET scheduled_at = now() - $1::interval WHERE queue = 'points'`, interval); err != nil {
			t.Fatal(err)
		}
	}

	wait("25 seconds") // half as much again, and 10 s

	r := b.until(t, 503)
	p := wantProblem(t, r, 503, order.Overloaded)

	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 15 || seconds > 60 || !strings.Contains(p.Detail, " s") {
		t.Errorf("Retry-After %q: %s", r.header.Get("Retry-After"), p.Detail)
	}

	// None of them reaches a transaction, one that stands for an order already no more than the others.
	orders := b.count(t, "orders")

	for range 20 {
		wantProblem(t, b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Idempotency-Key", "k"), 503, order.Overloaded)
	}

	if n := b.count(t, "orders"); n != orders {
		t.Errorf("%d orders were written", n-orders)
	}

	if r := b.ask(t, "GET", "/orders", ""); r.status != 200 {
		t.Errorf("reading: %d %s", r.status, r.body)
	}

	if line := b.log.line(t, "work waits too long: orders are refused"); line == nil {
		t.Error("the log does not tell")
	}

	wait("2 hours")

	for b.ask(t, "POST", "/orders", placeBody("u", "tea", 1)).header.Get("Retry-After") != "60" { // and no more
		time.Sleep(20 * time.Millisecond)
	}

	if _, err := b.pool.Exec(t.Context(), `UPDATE river_job SET state = 'completed', finalized_at = now()`); err != nil {
		t.Fatal(err)
	}

	b.until(t, 201)

	if again := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Idempotency-Key", "k"); again.status != 201 || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the key that was refused: %d %s", again.status, again.body)
	}

	if line := b.log.line(t, "orders are accepted again"); line == nil {
		t.Error("the log does not tell")
	}
}

// What has waited for less than the bound is nobody's business: workers may be away for a deploy.
func TestOrdersAreAcceptedWhileWorkWaitsNotTooLong(t *testing.T) {
	t.Parallel()

	var running sync.WaitGroup

	b := setup(t, pressed(t, time.Hour, &running))
	b.stock(t, "tea", 100, 1_000)

	for start := time.Now(); time.Since(start) < 4*time.Second; time.Sleep(50 * time.Millisecond) { // of readings, while nobody works
		b.place(t, "u", "tea", 1)

		if _, err := b.pool.Exec(t.Context(), `UPDATE river_job SET scheduled_at = now() - interval '59 minutes'`); err != nil {
			t.Fatal(err)
		}
	}
}

// When nothing is known any more, placing itself tells what is wrong.
func TestNothingIsRefusedWhenTheBacklogIsNotKnown(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	if _, err := pool.Exec(t.Context(), `INSERT INTO river_job (queue, kind, args, max_attempts, scheduled_at) VALUES ('inventory', 'x', '{}', 1, now() - interval '1 hour')`); err != nil {
		t.Fatal(err)
	}

	var running sync.WaitGroup

	b := serve(t, func(o *api.Options) { o.Pool = pool }, pressed(t, time.Second, &running))
	b.until(t, 503)

	if _, err := pool.Exec(t.Context(), `ALTER TABLE river_job RENAME TO elsewhere`); err != nil {
		t.Fatal(err)
	}

	b.until(t, 201)

	if line := b.log.line(t, "how long work waits is not known"); line == nil || line["level"] != slog.LevelWarn.String() {
		t.Errorf("the log has %v", line)
	}
}

// A refusal is made of what is known already: nothing is asked to place the order.
func TestARefusalDoesNotTryToPlace(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	if _, err := pool.Exec(t.Context(), `INSERT INTO river_job (queue, kind, args, max_attempts, scheduled_at) VALUES ('notification', 'x', '{}', 1, now() - interval '1 hour')`); err != nil {
		t.Fatal(err)
	}

	var (
		running sync.WaitGroup
		refused = make(chan struct{})
	)

	b := serve(t, func(o *api.Options) {
		o.Pool, o.Place = pool, func(context.Context, flow.Placement) (flow.Placed, error) {
			select {
			case <-refused:
				t.Error("a refused order was to be placed")
			default:
			}

			return flow.Placed{}, nil
		}
	}, pressed(t, time.Second, &running))

	b.until(t, 503)
	close(refused)
	wantProblem(t, b.ask(t, "POST", "/orders", placeBody("u", "tea", 1)), 503, order.Overloaded)
}
