package db_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

// A deferred function that sets a named result stands in the function's own block. In an
// inner block, := may have made another variable of that name, and the result is lost.
// (The linter's check for shadows reports every `if err := …`.)
func TestDeferredFunctionsSetTheResultItself(t *testing.T) {
	t.Parallel()

	const lost = `package p
		func lost() (err error) { if true { _, err := 1, error(nil); defer func() { err = nil }(); _ = err }; return err }
		func kept() (err error) { defer func() { err = nil }(); return err }
		func closure() { _ = func() (err error) { { defer func() { err = nil }() }; return nil } }`

	if got := hiddenResults(t, "lost.go", lost); !slices.Equal(got, []string{"lost.go:2:64", "lost.go:4:47"}) {
		t.Errorf("the test does not see %q", got)
	}

	programFiles(t, func(file string, text []byte) {
		for _, place := range hiddenResults(t, file, string(text)) {
			t.Errorf("%s: put it into the function's own block", place)
		}
	})
}

// hiddenResults lists the deferred functions in inner blocks that set a named result.
func hiddenResults(t *testing.T, path, source string) (places []string) {
	t.Helper()

	files := token.NewFileSet()

	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}

	ast.Inspect(file, func(node ast.Node) bool {
		var (
			signature *ast.FuncType
			body      *ast.BlockStmt
		)

		switch function := node.(type) {
		case *ast.FuncDecl:
			signature, body = function.Type, function.Body
		case *ast.FuncLit:
			signature, body = function.Type, function.Body
		}

		if body == nil || signature.Results == nil {
			return true
		}

		for _, statement := range body.List {
			if _, own := statement.(*ast.DeferStmt); own {
				continue
			}

			ast.Inspect(statement, func(inner ast.Node) bool {
				if _, other := inner.(*ast.FuncLit); other {
					return false
				}

				if deferred, ok := inner.(*ast.DeferStmt); ok && sets(deferred, signature.Results) {
					places = append(places, files.Position(deferred.Pos()).String())
				}

				return true
			})
		}

		return true
	})

	return places
}

// sets tells whether a statement assigns one of the named results.
func sets(statement ast.Node, results *ast.FieldList) (found bool) {
	ast.Inspect(statement, func(node ast.Node) bool {
		assign, ok := node.(*ast.AssignStmt)
		if !ok || assign.Tok != token.ASSIGN {
			return true
		}

		for _, left := range assign.Lhs {
			for _, field := range results.List {
				for _, name := range field.Names {
					target, ok := left.(*ast.Ident)
					found = found || ok && target.Name == name.Name
				}
			}
		}

		return true
	})

	return found
}
