// Package schema migrates the database: River's line by rivermigrate, then ours by
// golang-migrate. It checks that a program and a database fit together.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db"
	sessions "orders/db/session"
	"orders/migrations"
)

// A Migrator migrates a database.
type Migrator struct {
	URL   string
	Log   *slog.Logger
	Files fs.FS // the numbered pairs; those of package migrations if nil

	Progress func(done, total int) // called before each migration of ours and after the last one; may be nil
}

// Up migrates the database to the schema of this program, without a log.
func Up(ctx context.Context, url string) error {
	return Migrator{URL: url, Log: slog.New(slog.DiscardHandler)}.Up(ctx)
}

// Up migrates the database to the schema of this program: River's line first, then
// ours. It may run at any time, also in several processes at the same time. It leaves
// a newer schema as it is.
func (m Migrator) Up(ctx context.Context) error {
	return m.locked(ctx, func(s *session) error {
		at, err := VersionOf(ctx, s.conn)
		if err != nil {
			return err
		}

		// There is nothing to do, so the role needs no privileges. A newer schema is that of a
		// program that was rolled back.
		if at.River >= s.program.River && at.Orders >= s.program.Orders {
			return s.program.Fits(at)
		}

		if err := s.prepare(ctx); err != nil {
			return err
		}

		if at.River < s.program.River {
			if err := riverUp(ctx, s.conn, riverpgxv5.New(s.pool)); err != nil {
				return fmt.Errorf("migrate river up: %w", err)
			}
		}

		if err := s.ours.Up(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
			return fmt.Errorf("migrate up: %w", err)
		}

		return nil
	})
}

// ErrNothing says that there is no migration to revert.
var ErrNothing = errors.New("there is nothing to revert: the database has no schema of orders")

// Down reverts the newest version of our line. With all, it reverts all of our
// line and of River's, and deletes all data. It first asks confirm, while no other
// migration can run: what is confirmed is what is reverted.
func (m Migrator) Down(ctx context.Context, all bool, confirm func(Reversal) error) error {
	return m.locked(ctx, func(s *session) error {
		plan, err := s.planDown(ctx, all)
		if err != nil {
			return err
		}

		if err := confirm(plan); err != nil {
			return err
		}

		if err := s.prepare(ctx); err != nil {
			return err
		}

		if !all {
			return wrap("migrate down", s.ours.Steps(-1))
		}

		if err := s.ours.Down(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
			return fmt.Errorf("migrate down: %w", err)
		}

		if err := riverDown(ctx, riverpgxv5.New(s.pool)); err != nil {
			return fmt.Errorf("migrate river down: %w", err)
		}

		_, err = s.conn.Exec(ctx, `DROP TABLE orders_migrations`)

		return wrap("migrate down", err)
	})
}

// Force records a version without running a migration.
func (m Migrator) Force(ctx context.Context, version uint) error {
	return m.locked(ctx, func(s *session) error {
		if !slices.ContainsFunc(s.driver.all, func(m migration) bool { return version == 0 || m.version == version }) {
			return fmt.Errorf("this program has no migration %d", version)
		}

		if err := s.checkDatabase(ctx); err != nil {
			return err
		}

		return inTx(ctx, s.conn, func(tx pgx.Tx) error {
			exists, err := hasTable(ctx, tx)
			if err != nil {
				return err
			}

			if !exists {
				if err := createTable(ctx, tx); err != nil {
					return err
				}
			}

			return record(ctx, tx, s.driver.all, int(version))
		})
	})
}

// session is what a migration works with.
type session struct {
	conn    *pgx.Conn // holds the lock, and runs our line
	pool    *pgxpool.Pool
	driver  *driver
	ours    *migrate.Migrate
	program Program
}

// prepare checks what a migration needs, and makes the table of versions.
func (s *session) prepare(ctx context.Context) error {
	if err := s.checkDatabase(ctx); err != nil {
		return err
	}

	return inTx(ctx, s.conn, func(tx pgx.Tx) error {
		exists, err := hasTable(ctx, tx)
		if err != nil || exists {
			return err
		}

		return takeOver(ctx, tx, s.driver.all)
	})
}

// checkDatabase returns an error if the database cannot hold the schema, or the role may not
// create it.
func (s *session) checkDatabase(ctx context.Context) error {
	if err := checkEncoding(ctx, s.conn); err != nil {
		return err
	}

	return checkPrivileges(ctx, s.conn)
}

// checkPrivileges says what to grant if the role may not create tables.
func checkPrivileges(ctx context.Context, conn *pgx.Conn) error {
	var (
		role   string
		schema *string
		create bool
	)

	err := conn.QueryRow(ctx, `
		SELECT
			current_user,
			current_schema(),
			coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)`,
	).Scan(&role, &schema, &create)

	switch {
	case err != nil:
		return fmt.Errorf("read privileges: %w", err)
	case schema == nil:
		return noSchema(ctx, conn)
	case !create:
		return fmt.Errorf("role %s may not create tables in schema %s; "+
			"let the owner of the database run GRANT CREATE ON SCHEMA %[2]s TO %[1]s",
			pgx.Identifier{role}.Sanitize(), pgx.Identifier{*schema}.Sanitize())
	}

	return nil
}

// locked connects, waits until no other migration runs, and calls do.
func (m Migrator) locked(ctx context.Context, do func(*session) error) error {
	config, err := db.Config(m.URL)
	if err != nil {
		return err
	}

	if err := refusePooler(ctx, config.Copy()); err != nil {
		return err
	}

	// A migration may take longer than a request. The driver bounds its waits for locks.
	config.ConnConfig.RuntimeParams["statement_timeout"] = "0"
	config.ConnConfig.RuntimeParams["lock_timeout"] = "0"
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "0"

	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer db.CloseConn(ctx, conn) // which releases the lock

	if err := m.lock(ctx, conn); err != nil {
		return err
	}

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer pool.Close()

	source := m.Files
	if source == nil {
		source = migrations.Files
	}

	all, err := readMigrations(source)
	if err != nil {
		return err
	}

	program, err := programOf(all)
	if err != nil {
		return err
	}

	files, err := iofs.New(source, ".")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}

	d := &driver{ctx: ctx, conn: conn, all: all, progress: m.Progress}

	ours, err := migrate.NewWithInstance("embedded", files, "orders", d)
	if err != nil {
		return fmt.Errorf("make migrator: %w", err)
	}
	defer ours.Close()

	return do(&session{conn: conn, pool: pool, driver: d, ours: ours, program: program})
}

// ErrPooler says that a migration needs another way to the database.
var ErrPooler = errors.New("DATABASE_URL leads to a pooler, and migrations need a session that lasts; " +
	"set ORDERS_DIRECT_URL to the address of Postgres itself")

// refusePooler returns [ErrPooler] if a pooler stands between: its sessions would keep the lock.
func refusePooler(ctx context.Context, config *pgxpool.Config) error {
	conn, err := sessions.Connect(ctx, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer db.CloseConn(ctx, conn)

	if pooled, err := sessions.Pooled(ctx, conn); err != nil || !pooled {
		return err
	}

	return ErrPooler
}

// migrationLock is the key of the advisory lock that serialises migrations.
const migrationLock = 0x6f7264657273 // "orders"

// lock waits until no other migration runs. It asks again and again: a
// session that waits inside pg_advisory_lock holds a snapshot, for which another
// one's CREATE INDEX CONCURRENTLY waits in turn, and Postgres ends one of the two.
func (m Migrator) lock(ctx context.Context, conn *pgx.Conn) error {
	const pause = 100 * time.Millisecond

	for attempt := 0; ; attempt++ {
		var locked bool

		err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(migrationLock)).Scan(&locked)

		switch {
		case sessions.Lacks(err):
			m.Log.WarnContext(ctx, "the database has no advisory locks: make sure that no other migration runs")

			return nil
		case err != nil:
			return fmt.Errorf("lock migrations: %w", err)
		case locked:
			return nil
		}

		if attempt == 0 {
			m.Log.InfoContext(ctx, "another migration is running; waiting for its end")
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("lock migrations: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}
