package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db"
	"orders/migrations"
)

// A Database says how far a database is migrated.
type Database struct {
	River  int  // of River's line; 0 if it has none
	Orders uint // of ours, on top of it
	Oldest uint // the oldest program that works with it, by the version of its own schema
}

// String is the version in the form for operators.
func (d Database) String() string { return fmt.Sprintf("river %d, orders %d", d.River, d.Orders) }

// A Program says with which schemas this program works: from Oldest on, until a
// migration says that it breaks programs before a version above Orders.
type Program struct {
	River  int
	Orders uint // the schema that it was made for
	Oldest uint
}

// String is the version in the form for operators.
func (p Program) String() string { return fmt.Sprintf("river %d, orders %d", p.River, p.Orders) }

// ErrMismatch says that this program cannot work with the schema. Its text says which
// command repairs that.
var ErrMismatch = errors.New("the database schema does not fit this program")

// Fits returns an [ErrMismatch] if the program cannot work with the database.
func (p Program) Fits(d Database) error {
	switch {
	case d.Oldest > p.Orders:
		return fmt.Errorf("%w: it is at %s and needs programs from %d on, and this one is of %d; run a newer program",
			ErrMismatch, d, d.Oldest, p.Orders)
	case d.Orders < p.Oldest || d.River < p.River:
		return fmt.Errorf("%w: it is at %s, and the program needs river %d, orders %d or newer; run `orders migrate up`",
			ErrMismatch, d, p.River, p.Oldest)
	}

	return nil
}

// ProgramVersion says with which schemas this program works.
func ProgramVersion() (Program, error) {
	all, err := readMigrations(migrations.Files)
	if err != nil {
		return Program{}, err
	}

	return programOf(all)
}

// programOf is the program that has these migrations.
func programOf(all []migration) (p Program, err error) {
	for _, m := range all {
		p.Orders = m.version

		if !m.optional {
			p.Oldest = m.version
		}
	}

	p.River, err = newestOfRiver(riverpgxv5.New(nil))

	return p, err
}

// Check returns an [ErrMismatch] unless this program can work with the database.
func Check(ctx context.Context, pool *pgxpool.Pool) error {
	got, err := VersionOf(ctx, pool)
	if err != nil {
		return err
	}

	program, err := ProgramVersion()
	if err != nil {
		return err
	}

	if err := program.Fits(got); err != nil {
		return err
	}

	return checkEncoding(ctx, pool)
}

// VersionOf reads how far the database is migrated; zero for an empty database.
func VersionOf(ctx context.Context, q db.Querier) (d Database, err error) {
	var schema, river, ours bool

	err = q.QueryRow(ctx, `
		SELECT
			current_schema() IS NOT NULL,
			to_regclass('river_migration') IS NOT NULL,
			to_regclass(quote_ident(current_schema()) || '.orders_migrations') IS NOT NULL`).Scan(&schema, &river, &ours)

	switch {
	case err != nil:
		return d, fmt.Errorf("read schema version: %w", err)
	case !schema:
		return d, noSchema(ctx, q)
	}

	if river {
		// River's own ExistingVersions fails if it does not know a version.
		if err := q.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM river_migration`).Scan(&d.River); err != nil {
			return d, fmt.Errorf("read river's version: %w", err)
		}
	}

	if !ours {
		d.Orders, err = oldTableVersion(ctx, q)

		return d, err
	}

	err = q.QueryRow(ctx, `
		SELECT coalesce(max(version), 0), coalesce(max(breaks_before), 0)
		FROM orders_migrations`).Scan(&d.Orders, &d.Oldest)
	if err != nil {
		return d, fmt.Errorf("read schema version: %w", err)
	}

	return d, nil
}

// noSchema says what to do if the role may use no schema.
func noSchema(ctx context.Context, q db.Querier) error {
	var role, path string

	err := q.QueryRow(ctx, `SELECT current_user, current_setting('search_path')`).Scan(&role, &path)
	if err != nil {
		return fmt.Errorf("read privileges: %w", err)
	}

	return fmt.Errorf("role %s may use no schema of its search_path (%s); "+
		"create one, or let the schema's owner run GRANT USAGE, CREATE ON SCHEMA … TO %[1]s", pgx.Identifier{role}.Sanitize(), path)
}

// checkEncoding refuses databases that cannot hold every name and every message.
func checkEncoding(ctx context.Context, q db.Querier) error {
	var encoding, name string

	err := q.QueryRow(ctx, `SELECT current_setting('server_encoding'), current_database()`).Scan(&encoding, &name)
	if err != nil {
		return fmt.Errorf("read the database's encoding: %w", err)
	}

	if encoding != "UTF8" {
		return fmt.Errorf("the encoding of database %s is %s, and orders needs UTF8; create another database: "+
			"CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", pgx.Identifier{name}.Sanitize(), encoding)
	}

	return nil
}
