package dbtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// OldSnapshot holds an old snapshot in a session of that application name, until end is called. In
// the test's database, transactions then count as 20 minutes older than they are.
func OldSnapshot(tb testing.TB, pool *pgxpool.Pool, application string) (pid uint32, end func()) {
	tb.Helper()

	config := pool.Config().ConnConfig.Copy()
	config.RuntimeParams["application_name"] = application
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"

	conn, err := pgx.ConnectConfig(tb.Context(), config)
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}

	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })

	for _, sql := range []string{`BEGIN ISOLATION LEVEL REPEATABLE READ`, `SELECT FROM orders`} {
		if _, err := conn.Exec(tb.Context(), sql); err != nil {
			tb.Fatalf("dbtest: %v", err)
		}
	}

	age(tb, pool)

	return conn.PgConn().PID(), func() { _, _ = conn.Exec(tb.Context(), `ROLLBACK`) }
}

// age makes the transactions that run older: by 1,000 transactions and by 20 minutes.
func age(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()

	for _, sql := range []string{
		`DO $$ BEGIN FOR i IN 1 .. 1000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$`,
		`ALTER VIEW snapshot_holders RENAME TO young_snapshot_holders`,
		`CREATE VIEW snapshot_holders AS
			SELECT kind, name, pid, application, role, state, since - interval '20 minutes' AS since, transactions
			FROM young_snapshot_holders`,
	} {
		if _, err := pool.Exec(tb.Context(), sql); err != nil {
			tb.Fatalf("dbtest: %v", err)
		}
	}
}
