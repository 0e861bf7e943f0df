package db_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// programFiles calls fn for each Go file of the program that is no test, with its path from the root.
func programFiles(t *testing.T, fn func(file string, text []byte)) {
	t.Helper()

	root := os.DirFS("..")

	err := fs.WalkDir(root, ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go"):
			return nil
		}

		text, err := fs.ReadFile(root, file)
		fn(file, text)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// statement is how a statement of SQL begins, or a condition that is a piece of one.
var statement = regexp.MustCompile(`(?s)^\s*(` +
	`SELECT\s|WITH\s+\w+.*\sAS\s|INSERT\s+INTO\s|UPDATE\s+\w+.*\sSET\s|DELETE\s+FROM\s|` +
	`(CREATE|ALTER|DROP)\s+[A-Z]|TRUNCATE\s|VACUUM|ANALYZE|EXPLAIN\s|COPY\s+\w|LISTEN\s+\w|NOTIFY\s+\w|SET\s+(LOCAL|SESSION|TRANSACTION)\s|` +
	`(FROM|WHERE|(LEFT )?JOIN|ORDER BY|GROUP BY|ON CONFLICT)\s+\S|` +
	`(?i:select\s.*\sfrom\s+\w+\s+(where|order|limit|join)\s|insert\s+into\s+\w+\s*\(|update\s+\w+\s+set\s+\w+\s*=|delete\s+from\s+\w+\s+where\s)` +
	`)`)

// SQL has its place: what a schema change must look at is in db… and migrations. The
// benchmark has statements of its own, for the designs that it compares with ours, and
// tests break what they test.
func TestSQLIsInDBOnly(t *testing.T) {
	t.Parallel()

	files := 0

	programFiles(t, func(file string, text []byte) {
		for _, folder := range []string{"db/", "migrations/", "cmd/bench/", "order/ordertest/"} {
			if strings.HasPrefix(file, folder) {
				return
			}
		}

		files++

		set := token.NewFileSet()

		parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}

		ast.Inspect(parsed, func(node ast.Node) bool {
			literal, ok := node.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}

			if value, err := strconv.Unquote(literal.Value); err != nil || statement.MatchString(value) {
				t.Errorf("%s: SQL outside db… and migrations: %.60q, %v", set.Position(literal.Pos()), value, err)
			}

			return true
		})
	})

	if files < 50 {
		t.Errorf("only %d files were read", files)
	}
}

func TestSQLIsRecognized(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]bool{
		"\n\t\tSELECT id\n\t\tFROM orders":                true,
		"SELECT now()":                                    true,
		"WITH a AS (SELECT 1) SELECT 2":                   true,
		"INSERT INTO orders (id) VALUES ($1)":             true,
		"UPDATE river_job SET state = 'x'":                true,
		"DELETE FROM orders":                              true,
		"LISTEN orders_changed":                           true,
		" AND true":                                       false,
		"WHERE id = $1":                                   true,
		"ORDER BY id":                                     true,
		"update orders set x = 1":                         true,
		"select id from orders where x":                   true,
		"DROP TABLE x":                                    true,
		"select one from the list":                        false,
		"Update the order and set its status":             false,
		"With a hold, the order waits":                    false,
		"Deletes Idempotency-Keys":                        false,
		"SELECTED":                                        false,
		"from the time that the order was placed":         false,
		"Where the order is":                              false,
		"DATABASE_URL":                                    false,
		"WITHOUT a key, POST /orders is not idempotent":   false,
		"the job's args, as SELECT shows them in the row": false,
	} {
		if got := statement.MatchString(text); got != want {
			t.Errorf("%q is SQL: %t, want %t", text, got, want)
		}
	}
}

// A package beyond this size has more than one subject.
func TestNoPackageIsTooLarge(t *testing.T) {
	t.Parallel()

	const most = 2_000

	lines := map[string]int{}

	programFiles(t, func(file string, text []byte) { lines[path.Dir(file)] += bytes.Count(text, []byte("\n")) })

	for folder, n := range lines {
		if n > most {
			t.Errorf("package %s has %d lines without tests, at most %d are allowed", folder, n, most)
		}
	}

	if lines["db"] == 0 {
		t.Error("no package was measured")
	}
}
