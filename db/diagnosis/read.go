package diagnosis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/schema"
	"orders/db/session"
)

// Read reads the facts of a database and of the way to it. direct says whether
// ORDERS_DIRECT_URL is set.
func Read(ctx context.Context, pool *pgxpool.Pool, program string, direct bool) (f Facts, err error) {
	f = Facts{Program: program, Direct: direct, Free: -1, PoolSize: int(pool.Config().MaxConns)}

	if err := f.readSchema(ctx, pool); err != nil {
		return f, err
	}

	if f.Session, err = session.LostSettings(ctx, pool); err != nil {
		return f, err //nolint:wrapcheck // it says what was done
	}

	conn, err := pool.Acquire(ctx)
	if err != nil {
		return f, fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()

	if f.Pooled, err = session.Pooled(ctx, conn.Conn()); err != nil {
		return f, err //nolint:wrapcheck // it says what was done
	}

	for _, read := range []func(context.Context, db.Querier) error{f.readServer, f.readSettings, f.readObjects, f.readClock} {
		if err := read(ctx, conn); err != nil {
			return f, err
		}
	}

	return f, f.readDisk(ctx, conn.Conn())
}

func (f *Facts) readSchema(ctx context.Context, pool *pgxpool.Pool) error {
	program, err := schema.ProgramVersion()
	if err != nil {
		return err
	}

	at, err := schema.VersionOf(ctx, pool)
	if err != nil {
		return err
	}

	f.ProgramSchema, f.DatabaseSchema = program.String(), at.String()
	f.SameVersion = at.Orders == program.Orders && at.River == program.River

	if mismatch := program.Fits(at); mismatch != nil {
		f.Mismatch = mismatch.Error()

		return nil //nolint:nilerr // it is a fact; whether orders can be placed is no question then
	}

	if err := schema.CheckPlacing(ctx, pool); err != nil {
		f.Placing = err.Error()
	}

	return nil
}

func (f *Facts) readServer(ctx context.Context, q db.Querier) error {
	err := q.QueryRow(ctx, `
		SELECT
			version(),
			current_setting('server_version_num')::int,
			pg_is_in_recovery(),
			current_user,
			(SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
			coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
			pg_has_role('pg_read_all_stats', 'USAGE'),
			pg_database_size(current_database()),
			(SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()),
			(
				SELECT count(DISTINCT application_name)
				FROM pg_stat_activity
				WHERE datname = current_database()
					AND application_name LIKE 'orders %-%-%'
			)`).
		Scan(&f.Server, &f.ServerNum, &f.Standby, &f.Role, &f.Superuser, &f.MayCreate, &f.SeesStats, &f.Size, &f.Wraparound, &f.Processes)
	if err != nil {
		return fmt.Errorf("read server: %w", err)
	}

	f.Server, _, _ = strings.Cut(f.Server, " on ") // without the compiler

	return nil
}

func (f *Facts) readSettings(ctx context.Context, q db.Querier) error {
	rows, err := q.Query(ctx, `
		SELECT name, setting
		FROM pg_settings
		WHERE name = ANY($1)`, settingNames)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}

	var name, value string

	f.Settings = map[string]string{}

	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		f.Settings[name] = value

		return nil
	})
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}

	return nil
}

// ListObjects lists the tables, views, indexes, triggers and functions of the schema, as kind and name.
func ListObjects(ctx context.Context, q db.Querier) ([]string, error) {
	rows, err := q.Query(ctx, `
		SELECT object
		FROM (
			SELECT CASE relkind WHEN 'i' THEN 'index ' WHEN 'v' THEN 'view ' ELSE 'table ' END || relname AS object
			FROM pg_class
			WHERE relnamespace = current_schema()::regnamespace
				AND relkind IN ('r', 'v', 'i')
			UNION ALL
			SELECT 'trigger ' || tgname || ' on ' || relname
			FROM pg_trigger
			JOIN pg_class ON pg_class.oid = tgrelid
			WHERE relnamespace = current_schema()::regnamespace
				AND NOT tgisinternal
			UNION ALL
			SELECT 'function ' || proname
			FROM pg_proc
			WHERE pronamespace = current_schema()::regnamespace
		) AS objects
		GROUP BY object
		ORDER BY object COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("list objects: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list objects: %w", err)
	}

	return list, nil
}

func (f *Facts) readObjects(ctx context.Context, q db.Querier) (err error) {
	if f.Objects, err = ListObjects(ctx, q); err != nil {
		return err
	}

	err = q.QueryRow(ctx, `
		SELECT
			(
				SELECT coalesce(array_agg(indexrelid::regclass::text ORDER BY 1), '{}')
				FROM pg_index
				JOIN pg_class ON pg_class.oid = indexrelid
				WHERE relnamespace = current_schema()::regnamespace
					AND NOT indisvalid
			),
			(
				SELECT coalesce(array_agg(tgname || ' on ' || relname ORDER BY 1), '{}')
				FROM pg_trigger
				JOIN pg_class ON pg_class.oid = tgrelid
				WHERE relnamespace = current_schema()::regnamespace
					AND tgenabled = 'D'
					AND NOT tgisinternal
			)`).Scan(&f.Invalid, &f.Disabled)
	if err != nil {
		return fmt.Errorf("look for broken objects: %w", err)
	}

	return nil
}

// readClock compares the clocks. The database's time is taken to be that of the middle of the round trip.
func (f *Facts) readClock(ctx context.Context, q db.Querier) error {
	var at time.Time

	before := time.Now()

	if err := q.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&at); err != nil {
		return fmt.Errorf("read clock: %w", err)
	}

	f.Skew = before.Add(time.Since(before) / 2).Sub(at) //nolint:mnd // half of the round trip

	return nil
}

// readDisk reads how much space is free, if the database is on this machine and the role may
// see where.
func (f *Facts) readDisk(ctx context.Context, conn *pgx.Conn) error {
	host := conn.Config().Host
	if ip := net.ParseIP(host); !strings.HasPrefix(host, "/") && host != "localhost" && (ip == nil || !ip.IsLoopback()) || f.Pooled {
		return nil
	}

	var dir string

	err := conn.QueryRow(ctx, `
		SELECT setting
		FROM pg_settings
		WHERE name = 'data_directory'`).Scan(&dir)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // the role may not see it
	}

	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}

	var disk syscall.Statfs_t
	if syscall.Statfs(dir, &disk) == nil { // it may be another container's, or closed to this user
		f.Free = int64(disk.Bavail) * disk.Bsize //nolint:gosec // a disk has fewer bytes
	}

	return nil
}
