package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxTouched is how many files that were there before a new step may touch, the
// generated ones included.
const maxTouched = 8

var (
	newFile = regexp.MustCompile("(?s)New file `([^`]+)`[^\n]*\n\n```\\w+\n(.*?\n)```\n")
	diff    = regexp.MustCompile("(?s)```diff\n(.*?\n)```\n")
)

// docs/adding-a-step.md is applied to a copy of the source: it must build, and the
// step that it adds must conform.
func TestAddingAStep(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("../../docs/adding-a-step.md")
	if err != nil {
		t.Fatal(err)
	}

	tree := t.TempDir()
	copyTree(t, "../..", tree)

	for _, file := range newFile.FindAllSubmatch(page, -1) {
		path := filepath.Join(tree, strings.Replace(string(file[1]), "NNNNNN", nextMigration(t), 1))
		if err := os.WriteFile(path, file[2], 0o600); err != nil {
			t.Fatal(err)
		}
	}

	for _, change := range diff.FindAllSubmatch(page, -1) {
		run := exec.CommandContext(t.Context(), "git", "apply", "--recount", "-")
		run.Dir, run.Stdin = tree, bytes.NewReader(change[1])
		run.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(tree)) // in no repository

		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("apply\n%s\n%v: %s", change[1], err, out)
		}
	}

	inTree(t, tree, "generate", "./...")
	inTree(t, tree, "build", "./...")
	inTree(t, tree, "test", "-vet=off", "-run", "TestConformance/invoice", "-count", "1", "./cmd/orders")
	inTree(t, tree, "test", "-vet=off", "-run", "Spec|Step|Polic", "-count", "1", "./order/...", "./jobs")

	touched := changedFiles(t, "../..", tree)
	t.Logf("the step touches %d files that were there before: %s", len(touched), strings.Join(touched, ", "))

	if len(touched) > maxTouched {
		t.Errorf("a step is to touch %d files at most", maxTouched)
	}
}

// inTree runs the go command in the copy.
func inTree(t *testing.T, tree string, args ...string) {
	t.Helper()

	run := exec.CommandContext(t.Context(), "go", args...)
	run.Dir = tree

	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}

	if slices.Contains(args, "./cmd/orders") && bytes.Contains(out, []byte("no tests to run")) {
		t.Fatalf("go %s ran no test:\n%s", strings.Join(args, " "), out)
	}
}

// sources walks the files of a tree that are neither built nor a database.
func sources(t *testing.T, tree string, visit func(path string, entry fs.DirEntry) error) {
	t.Helper()

	err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		if entry.IsDir() && slices.Contains([]string{".git", ".local", "bin"}, entry.Name()) {
			return fs.SkipDir
		}

		relative, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}

		return visit(relative, entry)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	sources(t, from, func(path string, entry fs.DirEntry) error {
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, path), 0o700)
		}

		if !entry.Type().IsRegular() {
			return nil
		}

		data, err := os.ReadFile(filepath.Join(from, path))
		if err != nil {
			return err
		}

		return os.WriteFile(filepath.Join(to, path), data, 0o600)
	})
}

// changedFiles are the files of the first tree that the second has otherwise.
func changedFiles(t *testing.T, before, after string) (changed []string) {
	t.Helper()
	sources(t, before, func(path string, entry fs.DirEntry) error {
		if !entry.Type().IsRegular() {
			return nil
		}

		was, err := os.ReadFile(filepath.Join(before, path))
		if err != nil {
			return err
		}

		is, err := os.ReadFile(filepath.Join(after, path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}

		if !bytes.Equal(was, is) {
			changed = append(changed, path)
		}

		return nil
	})

	return changed
}

// nextMigration is the number behind the last one.
func nextMigration(t *testing.T) string {
	t.Helper()

	files, err := filepath.Glob("../../migrations/*.up.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}

	var last int
	if _, err := fmt.Sscanf(filepath.Base(slices.Max(files)), "%d_", &last); err != nil {
		t.Fatal(err)
	}

	return fmt.Sprintf("%06d", last+1)
}
