package db

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

// A Column is a column of a query and what it means.
type Column struct {
	Name string
	Doc  string
}

// A queryFile is a query in a file of its own. What it says of itself is the
// comment at the head of the file:
//
//	-- title: a field of this name
//	-- columns:
//	--   name  what it means
//
// The first line that is no comment ends it. What is missing stays empty: a test
// checks the files, so that nothing has to at run time.
type queryFile struct {
	name    string // of the file, without .sql
	sql     string
	fields  map[string]string
	columns []Column
}

// readQueries reads the files of a directory, by name because that is how a
// directory is read.
func readQueries(files embed.FS) []queryFile {
	var all []queryFile

	err := fs.WalkDir(files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}

		text, err := files.ReadFile(file)
		all = append(all, parseQuery(strings.TrimSuffix(path.Base(file), ".sql"), string(text)))

		return err
	})
	if err != nil {
		panic(err) //nolint:forbidigo // the files are part of the program
	}

	return all
}

func parseQuery(name, text string) queryFile {
	q := queryFile{name: name, sql: text, fields: map[string]string{}}

	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		if !ok {
			break
		}

		if column, ok := strings.CutPrefix(comment, "  "); ok {
			name, doc, _ := strings.Cut(column, " ")
			q.columns = append(q.columns, Column{Name: name, Doc: strings.TrimSpace(doc)})

			continue
		}

		key, value, _ := strings.Cut(comment, ":")
		q.fields[key] = strings.TrimSpace(value)
	}

	return q
}
