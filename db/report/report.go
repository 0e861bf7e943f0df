// Package report runs the named queries for operators. Each is an SQL file beside
// this one, and runs with psql -f as well.
package report

import (
	"embed"
	"slices"
	"strings"
	"sync"
	"time"

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
	Name       string // of the file, without .sql
	Title      string
	Question   string // that it answers
	Parameters []Parameter
	Columns    []sqlfile.Column
	SQL        string
}

// A Parameter narrows a report. The SQL reads it from a setting of the session, orders.<name>:
// report_time and report_text do so. If it is not set, the SQL has its own default, which is the
// one that the header says.
type Parameter struct {
	Name    string
	Type    Type
	Default string // in words of [order.ParseMoment]; empty for none
	Doc     string
}

// A Type says how a parameter is given.
type Type string

// The types of parameters.
const (
	Time Type = "time" // as order.ParseMoment reads it
	Text Type = "text"
)

// Types lists them.
func Types() []Type { return []Type{Time, Text} }

// A Table is a report's result. Values are int64, float64, bool, string,
// time.Time or nil.
type Table struct {
	Columns   []string
	Rows      [][]any
	Truncated bool // there are more rows
}

// All lists the reports by name.
func All() []Report { return slices.Clone(reports()) }

// Find finds a report; [order.NotFound] if there is none of that name.
func Find(name string) (Report, error) {
	i := slices.IndexFunc(reports(), func(r Report) bool { return r.Name == name })
	if i < 0 {
		names := make([]string, len(reports()))
		for i, r := range reports() {
			names[i] = r.Name
		}

		return Report{}, order.Errorf(order.NotFound, "There is no report %q; the reports are %s.", name, strings.Join(names, ", "))
	}

	return reports()[i], nil
}

// parameter finds a parameter by its name.
func (r Report) parameter(prefix, name string) (Parameter, error) {
	names := make([]string, len(r.Parameters))

	for i, p := range r.Parameters {
		if p.Name == name {
			return p, nil
		}

		names[i] = prefix + p.Name
	}

	if len(names) == 0 {
		return Parameter{}, order.Errorf(order.Invalid, "Report %s has no parameter %s: it shows the present.", r.Name, prefix+name)
	}

	return Parameter{}, order.Errorf(order.Invalid, "Report %s has no parameter %s; it has %s.",
		r.Name, prefix+name, strings.Join(names, ", "))
}

// reports are the parsed files.
var reports = sync.OnceValue(func() []Report {
	files := sqlfile.Read(reportFiles)
	all := make([]Report, 0, len(files))

	for _, q := range files {
		r := Report{Name: q.Name, Title: q.Fields["title"], Question: q.Fields["question"], Columns: q.Columns, SQL: q.SQL}

		for _, p := range q.Parameters {
			r.Parameters = append(r.Parameters, Parameter{
				Name: p.Name, Type: Type(p.Type), Default: strings.Trim(p.Default, "-"), Doc: p.Doc,
			})
		}

		all = append(all, r)
	}

	return all
})

// DefaultLimit and MaxLimit are how many rows a report returns.
const (
	DefaultLimit = 1000
	MaxLimit     = 10_000
)

// DefaultTimeout is how long a report may take.
const DefaultTimeout = 10 * time.Second
