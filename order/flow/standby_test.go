package flow_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/groupcommit"
	"orders/db/idempotency"
	"orders/db/schema"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
)

// While the synchronous standby is away, nobody is told that a request with a key was done: neither the request whose
// commit waits, nor one that finds its effect on the primary.
func TestAReplayWaitsForTheStandby(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		status order.Status
		do     func(b *ordertest.Bundle, id uuid.UUID) error
	}{
		"place": {order.Pending, func(b *ordertest.Bundle, _ uuid.UUID) error {
			_, err := b.Place.Do(b.T.Context(), ordertest.Placement("key", ordertest.Line("tea", 1)))

			return err
		}},
		"cancel": {order.Cancelled, func(b *ordertest.Bundle, id uuid.UUID) error {
			group := groupcommit.New(b.Pool, groupcommit.Options{}, flow.Cancel)
			defer group.Close()

			_, err := group.Do(b.T.Context(), flow.Cancellation{
				OrderID: id, Request: idempotency.Request{Key: "key", Operation: "cancel", Hash: []byte{1}},
			})

			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replayWaits(t, c.status, c.do)
		})
	}
}

// replayWaits does an act whose session ends while its commit waits for the standby.
func replayWaits(t *testing.T, status order.Status, do func(b *ordertest.Bundle, id uuid.UUID) error) {
	t.Helper()

	primary := dbtest.Server(t, map[string]string{"synchronous_standby_names": "*", "synchronous_commit": "local"})
	if err := schema.Up(t.Context(), primary.URL("orders")); err != nil {
		t.Fatal(err)
	}

	standby := dbtest.Standby(t, primary)
	observer := open(t, primary.URL("orders"))
	b := ordertest.On(t, open(t, primary.URL("orders")+"&synchronous_commit=on"), map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 1))

	if err := standby.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	done := make(chan error, 1)

	go func() { done <- do(b, id) }()

	// The session ends with its commit only on the primary, as when the network breaks. The group commit tries again,
	// and finds the order.
	first := waiting(t, observer, 0, done)
	if _, err := observer.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, first); err != nil {
		t.Fatal(err)
	}

	waiting(t, observer, first, done)

	if n := dbtest.Count(t, observer, `SELECT count(*) FROM idempotency_keys`); n != 1 {
		t.Fatalf("%d keys are on the primary: the test tests nothing", n)
	}

	dbtest.Restart(t, standby)

	if err := <-done; err != nil {
		t.Errorf("with the standby back: %v", err)
	}

	if n := dbtest.Count(t, observer, `SELECT count(*) FROM orders WHERE status = '`+string(status)+`'`); n == 0 {
		t.Errorf("no order is %s", status)
	}
}

// waiting waits for another session than one to wait for the standby.
func waiting(t *testing.T, pool *pgxpool.Pool, other int, done <-chan error) (pid int) {
	t.Helper()

	for pid == 0 {
		err := pool.QueryRow(t.Context(), `
			SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid <> $1`, other).Scan(&pid)
		if err != nil {
			t.Fatal(err)
		}

		select {
		case err := <-done:
			t.Fatalf("it is answered without the standby: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}

	return pid
}

func open(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	return pool
}
