package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"orders/api"
	"orders/jobs"
)

//go:generate go test -run TestGeneratedFilesAreUpToDate . -args -update

var update = flag.Bool("update", false, "write the generated files")

// openapi.yaml and the tables of README and docs/settings.md are generated from the program.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	t.Parallel()

	document, err := api.OpenAPI("1")
	if err != nil {
		t.Fatal(err)
	}

	readme := section(t, "../../README.md", "jobs", jobsTable())

	for path, want := range map[string]string{
		"../../openapi.yaml":     string(document),
		"../../README.md":        readme,
		"../../docs/settings.md": section(t, "../../docs/settings.md", "settings", settingsTable()),
	} {
		got, err := os.ReadFile(path)

		switch {
		case err == nil && string(got) == want:
		case *update:
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("%s is out of date: run `make generate`", path)
		}
	}

	if n := strings.Count(readme, "\n"); n > 150 {
		t.Errorf("README has %d lines; a reader reads at most 150 at once", n)
	}
}

// section is the text of a file with another content between the section's two marks.
func section(t *testing.T, path, name, content string) string {
	t.Helper()

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	marks := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n).*?(<!-- /` + name + ` -->)`)
	if !marks.Match(text) {
		t.Fatalf("%s has no section %s", path, name)
	}

	return marks.ReplaceAllString(string(text), "${1}"+strings.ReplaceAll(content, "$", "$$")+"${2}")
}

// settingsTable lists the settings as --help does, with the defaults that other packages define.
func settingsTable() string {
	var table strings.Builder

	table.WriteString("| variable | default | |\n|---|---|---|\n")

	for _, flag := range newParser(&cli{}).Model.Flags {
		for _, variable := range flag.Envs {
			fallback := flag.Default
			if fallback != "" {
				fallback = "`" + fallback + "`"
			}

			fmt.Fprintf(&table, "| `%s` | %s | %s |\n", variable, fallback, flag.Help)
		}
	}

	return table.String()
}

func jobsTable() string {
	var table strings.Builder

	table.WriteString("| kind | queue | attempts | does |\n|---|---|---|---|\n")

	for _, p := range jobs.Policies() {
		fmt.Fprintf(&table, "| `%s` | %s | %d | %s |\n", p.Kind, p.Queue, cmp.Or(p.MaxAttempts, jobs.Defaults().Attempts), p.Does)
	}

	return table.String()
}
