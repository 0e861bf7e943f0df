package horizon_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/horizon"
	"orders/db/schema"
)

func old(t *testing.T, pool *pgxpool.Pool) []horizon.Holder {
	t.Helper()

	list, err := horizon.Old(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}

	return list
}

func exec(t *testing.T, conn db.Querier, statements ...string) {
	t.Helper()

	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func TestAnOldSnapshotIsFoundUntilItEnds(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	if list := old(t, pool); len(list) != 0 {
		t.Errorf("nothing holds a snapshot: %+v", list)
	}

	pid, end := dbtest.OldSnapshot(t, pool, "psql of eva")

	list := old(t, pool)
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}

	h := list[0]
	if h.Kind != "session" || h.PID != int(pid) || h.Application != "psql of eva" || h.State != "idle in transaction" || h.Role == "" ||
		h.Since == nil || time.Since(*h.Since) < 19*time.Minute || h.Transactions < 1000 {
		t.Errorf("%+v", h)
	}

	end()

	if list := old(t, pool); len(list) != 0 {
		t.Errorf("it has ended: %+v", list)
	}
}

// A transaction that is prepared and forgotten, and one on a standby whose feedback the primary obeys, have no session
// of ours. The role may not see the state of others, and is told what it may.
func TestOldSnapshotsOfOtherKinds(t *testing.T) {
	t.Parallel()

	server := dbtest.Server(t, nil)

	first, err := pgx.Connect(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}

	exec(t, first, `ALTER SYSTEM SET max_prepared_transactions = 1`) // a standby must have it, too
	_ = first.Close(t.Context())

	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	server = dbtest.Restart(t, server)
	standby := dbtest.Standby(t, server)

	if err := schema.Up(t.Context(), server.URL("orders")); err != nil {
		t.Fatal(err)
	}

	pool, err := pgxpool.New(t.Context(), server.URL("orders"))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)
	exec(t, pool, `CREATE ROLE eva LOGIN`, `GRANT SELECT ON snapshot_holders TO eva`, `GRANT pg_read_all_data TO eva`)

	far, err := pgx.Connect(t.Context(), standby.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}

	exec(t, far, `ALTER SYSTEM SET hot_standby_feedback = on`, `ALTER SYSTEM SET wal_receiver_status_interval = 1`, `SELECT pg_reload_conf()`,
		`BEGIN ISOLATION LEVEL REPEATABLE READ`, `SELECT FROM pg_class`)

	for n := 0; n == 0; { // until the feedback has come
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM snapshot_holders WHERE kind = 'standby'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}

	prepared, err := pgx.Connect(t.Context(), server.URL("orders"))
	if err != nil {
		t.Fatal(err)
	}

	exec(t, prepared, `BEGIN`, `SELECT pg_current_xact_id()`, `PREPARE TRANSACTION 'of a broker'`)
	dbtest.OldSnapshot(t, pool, "backup")
	exec(t, pool, `DO $$ BEGIN FOR i IN 1 .. 20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$`)

	exec(t, pool, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO eva`)

	as, err := pgx.Connect(t.Context(), server.URL("orders"))
	if err != nil {
		t.Fatal(err)
	}

	exec(t, as, `SET ROLE eva`)

	list, err := horizon.Old(t.Context(), as)
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}

	kinds := map[string]horizon.Holder{}
	for _, h := range list {
		kinds[h.Kind] = h
	}

	if h := kinds["session"]; h.Application != "backup" || h.PID == 0 || h.State != "" || h.Since != nil || h.Transactions < 20_000 {
		t.Errorf("another role's session: %+v", h)
	}

	if h := kinds["prepared transaction"]; h.Name != "of a broker" || h.Since == nil {
		t.Errorf("%+v", h)
	}

	if h := kinds["standby"]; h.PID == 0 || h.Application != "walreceiver" {
		t.Errorf("%+v", h)
	}
}
