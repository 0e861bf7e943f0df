package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"orders/db/dbtest"
)

// bouncerSessions are fewer than the programs' pools want.
const bouncerSessions = 20

// lacking makes a database that refuses NOTIFY and advisory locks, as YugabyteDB does. River
// knows that one by its version.
const lacking = `
	CREATE FUNCTION refuse(what text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		RAISE EXCEPTION '% is not supported yet', what USING ERRCODE = 'feature_not_supported';
	END $$;
	CREATE FUNCTION version() RETURNS text LANGUAGE sql AS $$ SELECT pg_catalog.version() || '-YB-2.25' $$;
	CREATE FUNCTION pg_notify(text, text) RETURNS void LANGUAGE sql STRICT AS $$ SELECT refuse('NOTIFY') $$;
	CREATE FUNCTION pg_try_advisory_lock(bigint) RETURNS bool LANGUAGE sql STRICT AS $$ SELECT refuse('lock'); SELECT true $$;
	CREATE FUNCTION pg_try_advisory_lock(int, int) RETURNS bool LANGUAGE sql STRICT AS $$ SELECT refuse('lock'); SELECT true $$;
	CREATE FUNCTION pg_try_advisory_xact_lock(int, int) RETURNS bool LANGUAGE sql STRICT AS $$ SELECT refuse('lock'); SELECT true $$;
	DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`

func TestThroughPgBouncer(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	f := newFleetOn(t, 2, url, dbtest.PgBouncer(t, url, bouncerSessions), "")

	f.wholeFlow()
	f.logs("ALTER ROLE", "LISTEN does not work", "the worker has no lock")

	migrate := start(t, map[string]string{"DATABASE_URL": f.url}, "migrate", "up")
	if code := migrate.ended(); code != exitError || !strings.Contains(migrate.output.String(), "ORDERS_DIRECT_URL") {
		t.Errorf("migrate up: exit code %d\n%s", code, migrate.output)
	}
}

func TestThroughPgBouncerWithADirectURL(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	f := newFleetOn(t, 2, url, dbtest.PgBouncer(t, url, bouncerSessions), url)

	eventually(t, f.pool, 2, `SELECT count(*) FROM workers WHERE lock_key IS NOT NULL`)
	eventually(t, f.pool, 2, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
	f.wholeFlow()
	f.logs("ALTER ROLE")

	migrate := start(t, map[string]string{"DATABASE_URL": f.url, "ORDERS_DIRECT_URL": url}, "migrate", "up")
	if code := migrate.ended(); code != exitOK {
		t.Errorf("migrate up: exit code %d\n%s", code, migrate.output)
	}
}

func TestWithoutNotifyAndAdvisoryLocks(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())

	if _, err := conn.Exec(t.Context(), lacking, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}

	f := newFleetOn(t, 2, url, url, "")

	f.wholeFlow()
	f.logs("LISTEN does not work", "the worker has no lock")

	migrate := start(t, map[string]string{"DATABASE_URL": f.url}, "migrate", "up")
	if code := migrate.ended(); code != exitOK || !strings.Contains(migrate.output.String(), "no advisory locks") {
		t.Errorf("migrate up: exit code %d\n%s", code, migrate.output)
	}
}

// wholeFlow places orders, kills a worker that is at work on them, waits until all have
// settled, checks each effect, audits, and stops the programs.
func (f *fleet) wholeFlow() {
	f.t.Helper()

	f.place(100)

	victim := f.workers[0]
	_, release := f.busy(victim)

	victim.kill()
	release()
	f.settled()
	f.exact()

	audit := start(f.t, map[string]string{"DATABASE_URL": f.url}, "audit")
	if code := audit.ended(); code != exitOK {
		f.t.Errorf("audit: exit code %d\n%s", code, audit.output)
	}

	for _, p := range append(f.workers[1:], f.api) {
		if code := p.stop(syscall.SIGTERM); code != exitOK {
			f.t.Errorf("exit code %d\n%s", code, p.output)
		}
	}
}

// logs checks which of the warnings about the way to the database the programs log.
func (f *fleet) logs(want ...string) {
	f.t.Helper()

	log := f.api.output.String() + f.workers[1].output.String()

	for _, warning := range []string{"ALTER ROLE", "LISTEN does not work", "the worker has no lock"} {
		wanted := strings.Contains(strings.Join(want, "\n"), warning)
		if strings.Contains(log, warning) != wanted {
			f.t.Errorf("%q is logged: %t, want %t\n%s", warning, !wanted, wanted, log)
		}
	}
}
