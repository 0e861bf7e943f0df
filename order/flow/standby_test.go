package flow_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/schema"
	"orders/order/ordertest"
)

// While the synchronous standby is away, nobody is told that an order is placed: neither the
// request whose commit waits, nor one that finds the order on the primary.
func TestAReplayWaitsForTheStandby(t *testing.T) {
	t.Parallel()

	primary := dbtest.Server(t, map[string]string{"synchronous_standby_names": "*", "synchronous_commit": "local"})
	if err := schema.Up(t.Context(), primary.URL("orders")); err != nil {
		t.Fatal(err)
	}

	standby := dbtest.Standby(t, primary)
	observer := open(t, primary.URL("orders"))
	b := ordertest.On(t, open(t, primary.URL("orders")+"&synchronous_commit=on"), map[string]int64{"tea": 10})

	if err := standby.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	placed := make(chan error, 1)

	go func() {
		_, err := b.Place.Do(t.Context(), ordertest.Placement("key", ordertest.Line("tea", 1)))
		placed <- err
	}()

	// The session ends with its commit only on the primary, as when the network breaks. The group commit tries again,
	// and finds the order.
	first := waiting(t, observer, 0, placed)
	if _, err := observer.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, first); err != nil {
		t.Fatal(err)
	}

	waiting(t, observer, first, placed)

	if n := dbtest.Count(t, observer, `SELECT count(*) FROM orders`); n != 1 {
		t.Fatalf("%d orders are on the primary: the test tests nothing", n)
	}

	dbtest.Restart(t, standby)

	if err := <-placed; err != nil {
		t.Errorf("with the standby back: %v", err)
	}
}

// waiting waits for another session than one to wait for the standby.
func waiting(t *testing.T, pool *pgxpool.Pool, other int, placed <-chan error) (pid int) {
	t.Helper()

	for pid == 0 {
		err := pool.QueryRow(t.Context(), `
			SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid <> $1`, other).Scan(&pid)
		if err != nil {
			t.Fatal(err)
		}

		select {
		case err := <-placed:
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
