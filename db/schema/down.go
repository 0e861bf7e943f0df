package schema

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A Reversal is what the way down would do.
type Reversal struct {
	Migrations []string // the newest first
	Losses     []string // the data that they drop, with its size
	Programs   []string // that run on the database
}

// planDown tells what [Migrator.Down] does. It returns an error if there is nothing to
// revert, or if this program cannot.
func (s *session) planDown(ctx context.Context, all bool) (r Reversal, err error) {
	at, err := VersionOf(ctx, s.conn)

	switch {
	case err != nil:
		return r, err
	case at.Orders > s.program.Orders:
		return r, fmt.Errorf("the schema is at %s, newer than this program's %s; revert it with the program that has its migrations",
			at, s.program)
	case at.Orders == 0 && (!all || at.River == 0):
		return r, ErrNothing
	}

	var files strings.Builder

	for _, m := range slices.Backward(s.driver.all) {
		if m.version <= at.Orders && (all || len(r.Migrations) == 0) {
			r.Migrations = append(r.Migrations, m.name)
			files.WriteString(m.down)
		}
	}

	if all {
		r.Migrations = append(r.Migrations, "those of River")
		files.WriteString("\nDROP TABLE river_job;")
	}

	if r.Losses, err = lossesOf(ctx, s.conn, files.String()); err != nil {
		return r, err
	}

	r.Programs, err = programs(ctx, s.conn)

	return r, err
}

var (
	dropTable   = regexp.MustCompile(`(?m)^DROP TABLE (?:IF EXISTS )?(\w+)`)
	deleteFrom  = regexp.MustCompile(`(?m)^(?:DELETE FROM|TRUNCATE(?: TABLE)?) (\w+)`)
	alterTable  = regexp.MustCompile(`(?m)^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(\w+)([^;]*);`)
	dropColumns = regexp.MustCompile(`DROP COLUMN (?:IF EXISTS )?(\w+)`)
)

// lossesOf reads in SQL which data it drops, and counts it. A table that is dropped stands
// for its columns and rows.
func lossesOf(ctx context.Context, conn *pgx.Conn, sql string) (losses []string, err error) {
	var dropped []string

	for _, table := range dropTable.FindAllStringSubmatch(sql, -1) {
		dropped = append(dropped, table[1])

		if losses, err = lose(ctx, conn, losses, "table "+table[1], "*", table[1]); err != nil {
			return nil, err
		}
	}

	for _, table := range alterTable.FindAllStringSubmatch(sql, -1) {
		if slices.Contains(dropped, table[1]) {
			continue
		}

		for _, column := range dropColumns.FindAllStringSubmatch(table[2], -1) {
			if losses, err = lose(ctx, conn, losses, "column "+column[1]+" of table "+table[1], column[1], table[1]); err != nil {
				return nil, err
			}
		}
	}

	for _, table := range deleteFrom.FindAllStringSubmatch(sql, -1) {
		if !slices.Contains(dropped, table[1]) {
			losses = append(losses, "rows of table "+table[1])
		}
	}

	return losses, nil
}

// lose adds what is lost of a table, if the table exists.
func lose(ctx context.Context, conn *pgx.Conn, losses []string, what, of, table string) ([]string, error) {
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&exists); err != nil || !exists {
		return losses, wrap("look for table "+table, err)
	}

	var n int
	if err := conn.QueryRow(ctx, `SELECT count(`+of+`) FROM `+table).Scan(&n); err != nil {
		return nil, fmt.Errorf("count the rows of %s: %w", table, err)
	}

	return append(losses, fmt.Sprintf("%s (%d rows)", what, n)), nil
}

// programs lists the programs that run on the database, by their sessions and by the
// heartbeats of workers: behind a pooler, sessions have other names.
func programs(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, `
		SELECT DISTINCT application_name
		FROM pg_stat_activity
		WHERE datname = current_database()
			AND application_name LIKE 'orders %'
			AND application_name <> current_setting('application_name')
		ORDER BY application_name`)
	if err != nil {
		return nil, fmt.Errorf("look for programs: %w", err)
	}

	running, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for programs: %w", err)
	}

	var hasWorkers bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('workers') IS NOT NULL`).Scan(&hasWorkers); err != nil || !hasWorkers {
		return running, wrap("look for workers", err)
	}

	rows, err = conn.Query(ctx, `
		SELECT 'worker ' || id
		FROM workers
		WHERE ended_at IS NULL
			AND seen_at > now() - interval '10 seconds' -- as for a rescue
			AND sessions <> ALL($1)
		ORDER BY id`, running)
	if err != nil {
		return nil, fmt.Errorf("look for workers: %w", err)
	}

	workers, err := pgx.CollectRows(rows, pgx.RowTo[string])

	return append(running, workers...), wrap("look for workers", err)
}
