// Package schema migrates the database: River's line by rivermigrate, then ours by
// golang-migrate. It checks that a program and a database fit together.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"orders/db"
	"orders/migrations"
)

// A Version is the version of the two lines of the schema: River's and, on top of it, ours.
type Version struct {
	River  int
	Orders uint
	Dirty  bool // a migration of ours failed midway and must be repaired
}

// String is the version in the form for operators.
func (v Version) String() string {
	text := fmt.Sprintf("river %d, orders %d", v.River, v.Orders)
	if v.Dirty {
		text += " (dirty)"
	}

	return text
}

// Up migrates the database to the schema of this program: River's line first,
// then ours. It may run at any time, also in several processes at the same time.
func Up(ctx context.Context, url string) error {
	return withMigrators(ctx, url, func(river *rivermigrate.Migrator[pgx.Tx], ours *migrate.Migrate) error {
		if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrate river up: %w", err)
		}

		if err := ours.Up(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
			return fmt.Errorf("migrate orders up: %w", err)
		}

		return nil
	})
}

// Down reverts the newest version of our line. With all, it reverts all of our
// line and of River's, and deletes all data.
func Down(ctx context.Context, url string, all bool) error {
	return withMigrators(ctx, url, func(river *rivermigrate.Migrator[pgx.Tx], ours *migrate.Migrate) error {
		if !all {
			if err := ours.Steps(-1); err != nil {
				return fmt.Errorf("migrate orders down: %w", err)
			}

			return nil
		}

		if err := ours.Down(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
			return fmt.Errorf("migrate orders down: %w", err)
		}

		// River takes -1 for all of its versions.
		if _, err := river.Migrate(ctx, rivermigrate.DirectionDown, &rivermigrate.MigrateOpts{TargetVersion: -1}); err != nil {
			return fmt.Errorf("migrate river down: %w", err)
		}

		return nil
	})
}

// migrationLock is the key of the advisory lock that serialises migrations:
// golang-migrate has one of its own, River's line has none.
const migrationLock = 0x6f7264657273 // "orders"

func withMigrators(ctx context.Context, url string, do func(*rivermigrate.Migrator[pgx.Tx], *migrate.Migrate) error) error {
	config, err := db.Config(url)
	if err != nil {
		return err
	}

	// A migration may take longer than a request.
	config.ConnConfig.RuntimeParams["statement_timeout"] = "0"
	config.ConnConfig.RuntimeParams["lock_timeout"] = "0"
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "0"

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer pool.Close()

	lock, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer lock.Release() // closing the pool ends the session, which releases the advisory lock

	if err := lockMigrations(ctx, lock.Conn()); err != nil {
		return err
	}

	river, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return fmt.Errorf("make river's migrator: %w", err)
	}

	ours, err := migrator(pool)
	if err != nil {
		return err
	}
	defer ours.Close()

	return do(river, ours)
}

// lockMigrations waits until no other migration runs. It asks again and again: a
// session that waits inside pg_advisory_lock holds a snapshot, for which another
// one's CREATE INDEX CONCURRENTLY waits in turn, and Postgres ends one of the two.
func lockMigrations(ctx context.Context, conn *pgx.Conn) error {
	const pause = 100 * time.Millisecond

	for {
		var locked bool

		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(migrationLock)).Scan(&locked); err != nil {
			return fmt.Errorf("lock migrations: %w", err)
		}

		if locked {
			return nil
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("lock migrations: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

func migrator(pool *pgxpool.Pool) (*migrate.Migrate, error) {
	files, err := iofs.New(migrations.Files, ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}

	driver, err := migratepgx.WithInstance(stdlib.OpenDBFromPool(pool), &migratepgx.Config{})
	if err != nil {
		return nil, fmt.Errorf("connect migrator: %w", err)
	}

	m, err := migrate.NewWithInstance("embedded", files, "pgx5", driver)
	if err != nil {
		return nil, fmt.Errorf("make migrator: %w", err)
	}

	return m, nil
}

// VersionOf reads the version of the schema; zero for an empty database.
func VersionOf(ctx context.Context, pool *pgxpool.Pool) (Version, error) {
	var v Version

	river, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return v, fmt.Errorf("make river's migrator: %w", err)
	}

	existing, err := river.ExistingVersions(ctx)
	if err != nil {
		return v, fmt.Errorf("read river's version: %w", err)
	}

	if n := len(existing); n > 0 {
		v.River = existing[n-1].Version
	}

	var has bool
	if err := pool.QueryRow(ctx, "SELECT to_regclass('schema_migrations') IS NOT NULL").Scan(&has); err != nil || !has {
		return v, wrap("read schema version", err)
	}

	var ours int64

	err = pool.QueryRow(ctx, "SELECT version, dirty FROM schema_migrations").Scan(&ours, &v.Dirty)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return v, fmt.Errorf("read schema version: %w", err)
	}

	v.Orders = uint(max(ours, 0))

	return v, nil
}

// ErrMismatch says that the schema is not the one this program was made for; its
// text says which command repairs it.
var ErrMismatch = errors.New("the database schema does not fit this program")

// Check returns an [ErrMismatch] unless the schema is the one of this program.
func Check(ctx context.Context, pool *pgxpool.Pool) error {
	got, err := VersionOf(ctx, pool)
	if err != nil {
		return err
	}

	want, err := ProgramVersion(pool)
	if err != nil {
		return err
	}

	switch {
	case got == want:
		return nil
	case got.Dirty:
		return fmt.Errorf("%w: migration %d failed midway; repair what it left, run "+
			"UPDATE schema_migrations SET version = %d, dirty = false, and then `orders migrate up`", ErrMismatch, got.Orders, got.Orders-1)
	case got.Orders > want.Orders || got.River > want.River:
		return fmt.Errorf("%w: it is at %s, newer than the program's %s; run a newer program", ErrMismatch, got, want)
	default:
		return fmt.Errorf("%w: it is at %s, the program needs %s; run `orders migrate up`", ErrMismatch, got, want)
	}
}

// ProgramVersion is the schema this program was made for.
func ProgramVersion(pool *pgxpool.Pool) (Version, error) {
	river, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return Version{}, fmt.Errorf("make river's migrator: %w", err)
	}

	all := river.AllVersions()
	want := Version{River: all[len(all)-1].Version}

	files, err := iofs.New(migrations.Files, ".")
	if err != nil {
		return Version{}, fmt.Errorf("read migrations: %w", err)
	}

	for version, err := files.First(); ; version, err = files.Next(version) {
		if errors.Is(err, fs.ErrNotExist) {
			return want, nil
		}

		if err != nil {
			return Version{}, fmt.Errorf("read migrations: %w", err)
		}

		want.Orders = version
	}
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s: %w", doing, err)
}
