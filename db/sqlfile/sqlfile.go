// Package sqlfile reads queries that are in files of their own, so that they run from a
// program and with psql -f.
package sqlfile

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A Column is a column of a query and what it means.
type Column struct {
	Name string
	Doc  string
}

// A Parameter is a value that a query reads from a setting of its session.
type Parameter struct {
	Name    string
	Type    string
	Default string
	Doc     string
}

// A Query is a query in a file of its own. The comment at the head of the file
// describes it:
//
//	-- title: a field of this name
//	-- parameters:
//	--   name  type  default  what it means
//	-- columns:
//	--   name  what it means
//
// The first line that is no comment ends it. Fields that are missing stay empty: tests
// check the files, so that the program need not.
type Query struct {
	Name       string // of the file, without .sql
	SQL        string
	Fields     map[string]string
	Parameters []Parameter
	Columns    []Column
}

// Read reads the files of a directory, sorted by name.
func Read(files embed.FS) []Query {
	var all []Query

	err := fs.WalkDir(files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}

		text, err := files.ReadFile(file)
		all = append(all, parse(strings.TrimSuffix(path.Base(file), ".sql"), string(text)))

		return err
	})
	if err != nil {
		panic(err) //nolint:forbidigo // the files are part of the program
	}

	slices.SortFunc(all, func(a, b Query) int { return strings.Compare(a.Name, b.Name) }) // - comes before the . of .sql

	return all
}

func parse(name, text string) Query {
	q := Query{Name: name, SQL: text, Fields: map[string]string{}}
	list := ""

	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		if !ok {
			break
		}

		if item, ok := strings.CutPrefix(comment, "  "); ok {
			q.add(list, item)

			continue
		}

		key, value, _ := strings.Cut(comment, ":")
		q.Fields[key] = strings.TrimSpace(value)
		list = key
	}

	return q
}

// add adds an item of a list.
func (q *Query) add(list, item string) {
	name, rest := word(item)

	if list == "parameters" {
		kind, rest := word(rest)
		otherwise, doc := word(rest)
		q.Parameters = append(q.Parameters, Parameter{Name: name, Type: kind, Default: otherwise, Doc: doc})

		return
	}

	q.Columns = append(q.Columns, Column{Name: name, Doc: rest})
}

// word cuts the first word off.
func word(text string) (first, rest string) {
	first, rest, _ = strings.Cut(text, " ")

	return first, strings.TrimSpace(rest)
}
