package schema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A driver runs golang-migrate's migrations. Each file is one transaction, which also
// records its version: a process that is killed leaves the file's all or nothing, and
// the schema is never dirty. golang-migrate's own driver records in transactions before
// and after the file.
type driver struct {
	ctx  context.Context //nolint:containedctx // golang-migrate's interface has none
	conn *pgx.Conn
	all  []migration

	progress func(done, total int) // may be nil

	current  int // the version before the file that runs
	target   int // the version after it
	recorded bool
}

var _ database.Driver = (*driver)(nil)

// A migration that waits for a lock makes all statements after it wait, too. So it waits
// for a moment only, gives way, and tries again.
const (
	lockTimeout  = "2s"
	lockAttempts = 30
	lockPause    = time.Second
)

// Version is the version of the schema.
func (d *driver) Version() (version int, dirty bool, err error) {
	err = d.conn.QueryRow(d.ctx, `SELECT coalesce(max(version), $1) FROM orders_migrations`, database.NilVersion).Scan(&version)
	if err != nil {
		return 0, false, fmt.Errorf("read schema version: %w", err)
	}

	d.current = version

	return version, false, nil
}

// SetVersion is called before and after a file, and to force a version. Run has recorded
// the version of the file.
func (d *driver) SetVersion(version int, dirty bool) error {
	switch {
	case dirty:
		d.target, d.recorded = version, false
		d.report(d.current)
	case d.recorded:
		d.current = version
		d.report(version)
	default:
		return d.record(version)
	}

	return nil
}

// report says how many migrations the schema has at a version.
func (d *driver) report(version int) {
	if d.progress == nil {
		return
	}

	done := 0

	for _, m := range d.all {
		if int(m.version) <= version {
			done++
		}
	}

	d.progress(done, len(d.all))
}

// Run runs a file and records its version.
func (d *driver) Run(body io.Reader) error {
	file, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("read migration: %w", err)
	}

	if repeatableLine.Match(file) {
		err = d.runStatements(string(file))
	} else {
		err = d.runFile(string(file))
	}

	if err != nil {
		return d.explain(string(file), err)
	}

	d.recorded = true

	return nil
}

func (d *driver) runFile(sql string) error {
	return inTx(d.ctx, d.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(d.ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}

		return record(d.ctx, tx, d.all, d.target)
	})
}

// runStatements runs a file whose statements cannot be in a transaction. If the process is
// killed before the version is recorded, they run again.
func (d *driver) runStatements(sql string) error {
	for statement := range strings.SplitSeq(sql, ";") {
		if _, err := d.conn.Exec(d.ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}

	return d.record(d.target)
}

func (d *driver) record(version int) error {
	return inTx(d.ctx, d.conn, func(tx pgx.Tx) error { return record(d.ctx, tx, d.all, version) })
}

// inTx runs a migration in a transaction, and again if it had to give way.
func inTx(ctx context.Context, conn *pgx.Conn, do func(pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '`+lockTimeout+`'`); err != nil {
				return err
			}

			return do(tx)
		})
		if !blocked(err) {
			return err
		}

		if attempt == lockAttempts {
			return fmt.Errorf("it waits for a lock that other sessions hold; "+
				"end their transactions (pg_stat_activity shows them) and run the command again: %w", err)
		}

		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lockPause):
		}
	}
}

func blocked(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)

	return ok && (refused.Code == pgerrcode.LockNotAvailable || refused.Code == pgerrcode.DeadlockDetected)
}

// explain says which file failed, in which line and why. It does not repeat the file.
func (d *driver) explain(sql string, err error) error {
	file := "migration"

	for _, m := range d.all {
		switch {
		case d.target > d.current && int(m.version) == d.target:
			file = m.name + ".up.sql"
		case d.target < d.current && int(m.version) == d.current:
			file = m.name + ".down.sql"
		}
	}

	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Position > 0 {
		runes := []rune(sql)
		line := 1 + strings.Count(string(runes[:min(int(refused.Position), len(runes))]), "\n")
		file = fmt.Sprintf("%s, line %d", file, line)
	}

	return fmt.Errorf("%s: %w", file, err)
}

// record writes that the schema is at version: all migrations up to it have run.
func record(ctx context.Context, tx pgx.Tx, all []migration, version int) error {
	if _, err := tx.Exec(ctx, `DELETE FROM orders_migrations WHERE version > $1`, version); err != nil {
		return fmt.Errorf("record version: %w", err)
	}

	for _, m := range all {
		if int(m.version) > version {
			break
		}

		_, err := tx.Exec(ctx, `
			INSERT INTO orders_migrations (version, breaks_before)
			VALUES ($1, $2)
			ON CONFLICT DO NOTHING`, m.version, m.breaksBefore)
		if err != nil {
			return fmt.Errorf("record version: %w", err)
		}
	}

	return dropOldTable(ctx, tx, version)
}

// Lock does nothing: the caller holds the lock, as River's line needs it, too.
func (d *driver) Lock() error { return nil }

// Unlock does nothing.
func (d *driver) Unlock() error { return nil }

// Close does nothing: the connection is the caller's.
func (d *driver) Close() error { return nil }

var errUnsupported = errors.New("not supported")

// Open is for drivers that are chosen by a URL.
func (d *driver) Open(string) (database.Driver, error) { return nil, errUnsupported } //nolint:ireturn // golang-migrate's interface

// Drop would delete what is not ours.
func (d *driver) Drop() error { return errUnsupported }
