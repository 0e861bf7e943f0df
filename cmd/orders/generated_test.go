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

//go:generate go test -vet=off -run TestGeneratedFilesAreUpToDate . -args -update

var update = flag.Bool("update", false, "write the generated files")

// openapi.yaml and the tables of README and docs/settings.md are generated from the program, and
// the samples of docs/api.md from the files that .ci/openapi runs.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	t.Parallel()

	document, err := api.OpenAPI("1")
	if err != nil {
		t.Fatal(err)
	}

	readme := sections(t, "../../README.md", map[string]string{"jobs": jobsTable()})

	for path, want := range map[string]string{
		"../../openapi.yaml":     string(document),
		"../../README.md":        readme,
		"../../docs/settings.md": sections(t, "../../docs/settings.md", map[string]string{"settings": settingsTable()}),
		"../../docs/api.md": sections(t, "../../docs/api.md", map[string]string{
			"curl": sample(t, "curl/place.sh", "sh"), "go": sample(t, "go/place.go", "go"), "typescript": sample(t, "typescript/place.ts", "ts"),
			"verify-go": sample(t, "go/verify.go", "go"), "verify-node": sample(t, "node/verify.mjs", "js"),
			"verify-python": sample(t, "python/verify.py", "python"),
		}),
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

// sections is the text of a file with other contents between the two marks of each section.
func sections(t *testing.T, path string, contents map[string]string) string {
	t.Helper()

	read, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	text := string(read)

	for name, content := range contents {
		marks := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n).*?(<!-- /` + name + ` -->)`)
		if !marks.MatchString(text) {
			t.Fatalf("%s has no section %s", path, name)
		}

		text = marks.ReplaceAllString(text, "${1}"+strings.ReplaceAll(content, "$", "$$")+"${2}")
	}

	return text
}

// sample is a file of folder clients, as Markdown shows it.
func sample(t *testing.T, path, language string) string {
	t.Helper()

	text, err := os.ReadFile("../../clients/" + path)
	if err != nil {
		t.Fatal(err)
	}

	return "```" + language + "\n" + string(text) + "```\n"
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
