package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"orders/order"
)

// reportFiles are one SELECT each, so that they run from here and with psql -f alike.
//
//go:embed reports/*.sql
var reportFiles embed.FS

// A Report is a named query for operators. What it says of itself is the comment
// at the head of its file.
type Report struct {
	Name     string // of the file, without .sql
	Title    string
	Question string // the one it answers
	Columns  []Column
	SQL      string
}

// A Column is a report's column and what it means.
type Column struct {
	Name string
	Doc  string
}

// A Table is a report's answer. Values are int64, float64, bool, string,
// time.Time or nil.
type Table struct {
	Columns []string
	Rows    [][]any
}

// Reports lists the reports by name.
func Reports() []Report { return slices.Clone(reports()) }

// RunReport answers a report's question; [order.NotFound] when there is none of
// that name. It only reads, and does it in one statement: what it says is true of
// one moment.
func RunReport(ctx context.Context, q Querier, name string) (Table, error) {
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

	return order.Errorf(order.NotFound, "There is no report %q; there are %s.", name, strings.Join(names, ", "))
}

// reports are the parsed files, by name because that is how a directory is read.
var reports = sync.OnceValue(func() []Report {
	var all []Report

	err := fs.WalkDir(reportFiles, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}

		text, err := reportFiles.ReadFile(file)
		all = append(all, parseReport(strings.TrimSuffix(path.Base(file), ".sql"), string(text)))

		return err
	})
	if err != nil {
		panic(err) //nolint:forbidigo // the files are part of the program
	}

	return all
})

// parseReport reads the head of a report's file:
//
//	-- title:    what lists show
//	-- question: what it answers
//	-- columns:
//	--   name  what it means
//
// The first line that is no comment ends it. What is missing stays empty: a test
// checks the files, so that nothing has to at run time.
func parseReport(name, text string) Report {
	r := Report{Name: name, SQL: text}

	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		if !ok {
			break
		}

		if column, ok := strings.CutPrefix(comment, "  "); ok {
			name, doc, _ := strings.Cut(column, " ")
			r.Columns = append(r.Columns, Column{Name: name, Doc: strings.TrimSpace(doc)})

			continue
		}

		switch key, value, _ := strings.Cut(comment, ":"); key {
		case "title":
			r.Title = strings.TrimSpace(value)
		case "question":
			r.Question = strings.TrimSpace(value)
		}
	}

	return r
}
