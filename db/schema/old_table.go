package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"orders/db"
)

// Up to version 14, the version was in golang-migrate's usual table, schema_migrations.
// Other applications in the database use that name, too. So orders_migrations has taken
// its place, and takes over the version once, if it is ours. The old table stays as it
// is, for programs of that release; a later release drops it.
const lastOfOldTable = 14

// isOurs marks the old table when its version was taken over.
const isOurs = "Of orders, for programs of its first release. orders_migrations has taken its place."

// marks are relations and functions that exist from a version on, up to lastOfOldTable.
// They tell whether the version in the old table is ours.
var marks = []struct {
	version uint
	name    string
}{
	{1, "products"},
	{1, "stock_receipts"}, // a neighbour may have products, too
	{2, "orders"},
	{3, "points_entries"},
	{4, "payments"},
	{5, "dead_letters"},
	{6, "workers"},
	{7, "audit_runs"},
	{9, "live_jobs"},
	{11, "steps"},
	{12, "failure_code"},
	{14, "order_jobs"},
}

// oldTableVersion is the version of a schema that has no table orders_migrations: that of
// the old table, if it fits the schema, and 0 if there is no schema of ours.
func oldTableVersion(ctx context.Context, q db.Querier) (uint, error) {
	fits, err := fitting(ctx, q)
	if err != nil {
		return 0, err
	}

	version, dirty, err := readOldTable(ctx, q)
	if err != nil {
		return 0, err
	}

	// A migration that was cut off has applied or has not, on the way up or down.
	candidates := []uint{version}
	if dirty {
		candidates = []uint{version - 1, version, version + 1}
	}

	candidates = slices.DeleteFunc(candidates, func(v uint) bool { return version == 0 || !slices.Contains(fits, v) })

	switch {
	case len(candidates) == 1:
		return candidates[0], nil
	case slices.Contains(fits, 0):
		return 0, nil
	default:
		return 0, fmt.Errorf("the schema has tables with the names of ours, and no record of their version that fits "+
			"(schema_migrations says %d, dirty: %t; the tables fit %v). If they are another application's, use another database. "+
			"If they are ours, find out their version, and record it with `orders migrate force`",
			version, dirty, fits)
	}
}

// fitting lists the versions that the schema may be at, by what exists. 0 is one of them
// if nothing of ours exists.
func fitting(ctx context.Context, q db.Querier) ([]uint, error) {
	names := make([]string, len(marks))
	for i, m := range marks {
		names[i] = m.name
	}

	rows, err := q.Query(ctx, `
		SELECT coalesce(to_regclass(name)::oid, to_regproc(name)::oid) IS NOT NULL
		FROM unnest($1::text[]) WITH ORDINALITY AS m (mark, n), format('%I.%I', current_schema(), mark) AS name
		ORDER BY n`, names)
	if err != nil {
		return nil, fmt.Errorf("look for the tables: %w", err)
	}

	exists, err := pgx.CollectRows(rows, pgx.RowTo[bool])
	if err != nil {
		return nil, fmt.Errorf("look for the tables: %w", err)
	}

	var fits []uint

	for version := range uint(lastOfOldTable + 1) {
		fit := true
		for i, m := range marks {
			fit = fit && exists[i] == (m.version <= version)
		}

		if fit {
			fits = append(fits, version)
		}
	}

	return fits, nil
}

// readOldTable reads golang-migrate's usual table. The version is 0 if there is none, or
// if its version cannot be ours.
func readOldTable(ctx context.Context, q db.Querier) (version uint, dirty bool, err error) {
	var readable bool

	// Other libraries have tables of that name, with other columns.
	err = q.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE has_table_privilege(attrelid, 'SELECT')) = 2
		FROM pg_attribute
		WHERE attrelid = to_regclass(format('%I.schema_migrations', current_schema()))
			AND (attname, atttypid) IN (('version', 'bigint'::regtype), ('dirty', 'boolean'::regtype))`).Scan(&readable)
	if err != nil || !readable {
		return 0, false, wrap("look for schema_migrations", err)
	}

	// Numbers that cannot be ours, such as dates, become 0.
	err = q.QueryRow(ctx, `
		SELECT coalesce(max(version) FILTER (WHERE version BETWEEN 0 AND $1), 0), coalesce(bool_or(dirty), false)
		FROM schema_migrations`, lastOfOldTable).Scan(&version, &dirty)

	return version, dirty, wrap("read schema_migrations", err)
}

// hasTable tells whether there is a table of versions.
func hasTable(ctx context.Context, tx pgx.Tx) (exists bool, err error) {
	err = tx.QueryRow(ctx, `SELECT to_regclass(format('%I.orders_migrations', current_schema())) IS NOT NULL`).Scan(&exists)

	return exists, wrap("look for orders_migrations", err)
}

// createTable makes the table of versions.
func createTable(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		CREATE TABLE orders_migrations (
			version       bigint PRIMARY KEY,
			breaks_before bigint NOT NULL DEFAULT 0,
			applied_at    timestamptz NOT NULL DEFAULT now()
		);

		COMMENT ON TABLE orders_migrations IS
			'The migrations of orders that have run. A program reads it to know whether it can work with the schema.';
		COMMENT ON COLUMN orders_migrations.breaks_before IS
			'Programs whose own schema is older than this version cannot work once the migration has run; 0 if it breaks none'`,
		pgx.QueryExecModeSimpleProtocol)

	return wrap("create table orders_migrations", err)
}

// takeOver makes the table of versions, with the version of the old one.
func takeOver(ctx context.Context, tx pgx.Tx, all []migration) error {
	version, err := oldTableVersion(ctx, tx)
	if err != nil {
		return err
	}

	if err := createTable(ctx, tx); err != nil || version == 0 {
		return err
	}

	if _, err := tx.Exec(ctx, `COMMENT ON TABLE schema_migrations IS '`+isOurs+`'`); err != nil {
		return fmt.Errorf("mark schema_migrations: %w", err)
	}

	return record(ctx, tx, all, int(version))
}

// dropOldTable drops the old table if it is ours and the schema is older than it says.
func dropOldTable(ctx context.Context, tx pgx.Tx, version int) error {
	if version >= lastOfOldTable {
		return nil
	}

	var ours bool

	err := tx.QueryRow(ctx, `
		SELECT coalesce(obj_description(to_regclass(format('%I.schema_migrations', current_schema())), 'pg_class') = $1, false)`,
		isOurs).Scan(&ours)
	if err != nil || !ours {
		return wrap("look for schema_migrations", err)
	}

	_, err = tx.Exec(ctx, `DROP TABLE schema_migrations`)

	return wrap("drop schema_migrations", err)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s: %w", doing, err)
}
