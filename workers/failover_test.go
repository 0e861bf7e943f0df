package workers_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/schema"
)

func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	return pool
}

// A primary dies after the effects of points are committed there. The standby has the orders
// and their running jobs, and not the effects. After its promotion each order settles: no job
// is completed whose effect was lost.
func TestOrdersSettleAfterAFailoverThatLostTheirEffects(t *testing.T) {
	t.Parallel()

	const shared, alone = 20, 5

	first := dbtest.Server(t, nil)
	if err := schema.Up(t.Context(), first.URL("orders")); err != nil {
		t.Fatal(err)
	}

	second := dbtest.Standby(t, first)
	primary, follower := openPool(t, first.URL("orders")), openPool(t, second.URL("orders"))
	b := setupOn(t, openPool(t, dbtest.Either(first, second)))

	release := hold(&bundle{t: t, pool: primary}, `LOCK TABLE points_balances`) // the entries are written by then
	w := b.start()

	b.together(shared)

	for range alone {
		b.order(1)
	}

	const running = `SELECT count(*) FROM river_job WHERE queue = 'points' AND state = 'running'`

	b.eventually(1+alone, running)
	b.eventually(shared+alone, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)

	follows := &bundle{t: t, pool: follower}
	follows.eventually(1, `SELECT count(*) FROM pg_class WHERE relname = 'river_job'`)
	follows.eventually(1+alone, running)
	follows.eventually(shared+alone, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)

	// From here on, the standby gets nothing.
	for _, sql := range []string{`ALTER SYSTEM SET primary_conninfo = ''`, `SELECT pg_reload_conf()`} {
		follows.exec(sql)
	}

	follows.eventually(0, `SELECT count(*) FROM pg_stat_wal_receiver`)

	release()
	b.eventually(shared+alone, `SELECT count(*) FROM points_entries`)

	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	follows.exec(`SELECT pg_promote()`)
	follows.eventually(0, `SELECT pg_is_in_recovery()::int`)

	if n := dbtest.Count(t, follower, `SELECT count(*) FROM points_entries`); n != 0 {
		t.Fatalf("%d effects have reached the standby: the test tests nothing", n)
	}

	if err := w.Stop(t.Context()); err != nil { // what River still holds in memory is written now
		t.Logf("stop: %v", err) // the worker's lock was on the old primary
	}

	b.start()
	b.eventually(0, `SELECT count(*) FROM undone_steps`)
	b.sound()

	if n := dbtest.Count(t, follower, `SELECT count(*) FROM points_entries`); n != shared+alone {
		t.Errorf("%d orders have their points", n)
	}
}
