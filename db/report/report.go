// Package report runs the named queries for operators. Each is an SQL file beside
// this one, and runs with psql -f as well.
package report

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/sqlfile"
	"orders/order"
)

// reportFiles are one SELECT each, so that they run from here and with psql -f alike.
//
//go:embed *.sql
var reportFiles embed.FS

// A Report is a named query for operators. What it says of itself is the comment
// at the head of its file.
type Report struct {
	Name     string // of the file, without .sql
	Title    string
	Question string // that it answers
	Columns  []sqlfile.Column
	SQL      string
}

// A Table is a report's result. Values are int64, float64, bool, string,
// time.Time or nil.
type Table struct {
	Columns []string
	Rows    [][]any
}

// All lists the reports by name.
func All() []Report { return slices.Clone(reports()) }

// Run runs a report; [order.NotFound] when there is none of that name. It only
// reads, and in one statement: all rows are of one snapshot.
func Run(ctx context.Context, q db.Querier, name string) (Table, error) {
	i := slices.IndexFunc(reports(), func(r Report) bool { return r.Name == name })
	if i < 0 {
		return Table{}, noReport(name)
	}

	report := reports()[i]

	rows, err := q.Query(ctx, report.SQL)
	if err != nil {
		return Table{}, fmt.Errorf("run report %s: %w", name, err)
	}

	var table Table
	for _, column := range report.Columns {
		table.Columns = append(table.Columns, column.Name)
	}

	table.Rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		return Table{}, fmt.Errorf("run report %s: %w", name, err)
	}

	return table, nil
}

func noReport(name string) error {
	names := make([]string, len(reports()))
	for i, r := range reports() {
		names[i] = r.Name
	}

	return order.Errorf(order.NotFound, "There is no report %q; the reports are %s.", name, strings.Join(names, ", "))
}

// reports are the parsed files.
var reports = sync.OnceValue(func() []Report {
	files := sqlfile.Read(reportFiles)
	all := make([]Report, 0, len(files))

	for _, q := range files {
		all = append(all, Report{Name: q.Name, Title: q.Fields["title"], Question: q.Fields["question"], Columns: q.Columns, SQL: q.SQL})
	}

	return all
})
