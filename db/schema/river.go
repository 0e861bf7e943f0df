package schema

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
)

type riverDriver = riverdriver.Driver[pgx.Tx]

func newRiver(driver riverDriver) (*rivermigrate.Migrator[pgx.Tx], error) {
	// Without a logger, River makes one that writes to stdout.
	river, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})

	return river, wrap("make river's migrator", err)
}

// newestOfRiver is the version of River's line that this program was made for.
func newestOfRiver(driver riverDriver) (int, error) {
	river, err := newRiver(driver)
	if err != nil {
		return 0, err
	}

	versions := river.AllVersions()

	return versions[len(versions)-1].Version, nil
}

// riverUp runs River's migrations that the database does not have, each in a transaction.
// Views and triggers of ours would keep a migration from altering the columns that they
// read. So they are dropped before it and created again after it, in its transaction.
func riverUp(ctx context.Context, conn *pgx.Conn, driver riverDriver) error {
	river, err := newRiver(driver)
	if err != nil {
		return err
	}

	for done := false; !done; {
		err := inTx(ctx, conn, func(tx pgx.Tx) error {
			return withoutDependents(ctx, tx, func() error {
				//nolint:staticcheck // it is deprecated as several versions may not share a transaction; this is one
				result, err := river.MigrateTx(ctx, tx, rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{MaxSteps: 1})
				if err != nil {
					return err
				}

				done = len(result.Versions) == 0

				return nil
			})
		})
		if err != nil {
			return err
		}
	}

	return nil
}

func riverDown(ctx context.Context, driver riverDriver) error {
	river, err := newRiver(driver)
	if err != nil {
		return err
	}

	// River takes -1 for all of its versions.
	_, err = river.Migrate(ctx, rivermigrate.DirectionDown, &rivermigrate.MigrateOpts{TargetVersion: -1})

	return err
}

// dependents lists what depends on River's tables: how to drop it, and how to create it
// again with its comments and privileges. Dependents come after what they depend on.
const dependents = `
WITH RECURSIVE views (oid, depth) AS (
	SELECT oid, 0
	FROM pg_class
	WHERE relkind = 'r'
		AND relname LIKE 'river\_%'
		AND relnamespace = current_schema()::regnamespace
	UNION ALL
	SELECT rule.ev_class, depth + 1
	FROM views
	JOIN pg_depend AS d ON d.refobjid = views.oid AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass
	JOIN pg_rewrite AS rule ON rule.oid = d.objid
	WHERE rule.ev_class <> views.oid
)
SELECT
	format('DROP VIEW %s', oid::regclass),
	concat_ws(E';\n',
		format('CREATE VIEW %s AS %s', oid::regclass, rtrim(pg_get_viewdef(oid), ';')),
		(
			SELECT string_agg(
				CASE objsubid
					WHEN 0 THEN format('COMMENT ON VIEW %s IS %L', objoid::regclass, description)
					ELSE format('COMMENT ON COLUMN %s.%I IS %L', objoid::regclass, attname, description)
				END, E';\n' ORDER BY objsubid)
			FROM pg_description
			LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
			WHERE objoid = views.oid
				AND classoid = 'pg_class'::regclass
		),
		(
			SELECT string_agg(format('GRANT %s ON %s TO %s', privilege_type, oid::regclass,
				CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END), E';\n')
			FROM pg_class AS c, aclexplode(relacl)
			WHERE c.oid = views.oid
				AND grantee <> relowner
		)
	)
FROM (SELECT oid, max(depth) AS depth FROM views WHERE depth > 0 GROUP BY oid) AS views
ORDER BY depth`

// triggers of ours on River's tables.
const triggers = `
SELECT
	format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass),
	pg_get_triggerdef(t.oid)
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = tgrelid
WHERE NOT tgisinternal
	AND relname LIKE 'river\_%'
	AND relnamespace = current_schema()::regnamespace
	AND tgfoid NOT IN (SELECT oid FROM pg_proc WHERE proname LIKE 'river\_%')
ORDER BY tgname`

// withoutDependents calls do while nothing of ours depends on River's tables.
func withoutDependents(ctx context.Context, tx pgx.Tx, do func() error) error {
	type dependent struct{ Drop, Create string }

	var all []dependent

	for _, query := range []string{dependents, triggers} {
		rows, err := tx.Query(ctx, query)
		if err != nil {
			return fmt.Errorf("list what depends on river's tables: %w", err)
		}

		some, err := pgx.CollectRows(rows, pgx.RowToStructByPos[dependent])
		if err != nil {
			return fmt.Errorf("list what depends on river's tables: %w", err)
		}

		all = append(all, some...)
	}

	for _, d := range slices.Backward(all) {
		if _, err := tx.Exec(ctx, d.Drop); err != nil {
			return fmt.Errorf("%s: %w", d.Drop, err)
		}
	}

	if err := do(); err != nil {
		return err
	}

	for _, d := range all {
		if _, err := tx.Exec(ctx, d.Create, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("create it again after %s: %w", d.Drop, err)
		}
	}

	return nil
}
