package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"orders/api"
	"orders/jobs"
)

//go:generate go test -run TestGeneratedFilesAreUpToDate . -args -update

var update = flag.Bool("update", false, "write the generated files")

// openapi.yaml and README's tables are made from the program.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	t.Parallel()

	document, err := api.OpenAPI("1")
	if err != nil {
		t.Fatal(err)
	}

	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}

	text := section(t, string(readme), "settings", settingsTable())
	text = section(t, text, "jobs", jobsTable())

	for path, want := range map[string]string{"../../openapi.yaml": string(document), "../../README.md": text} {
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

	if n := strings.Count(text, "\n"); n > 150 {
		t.Errorf("README has %d lines; it is to be read in one go, so 150 at most", n)
	}
}

// section replaces what stands between the section's two marks.
func section(t *testing.T, text, name, content string) string {
	t.Helper()

	marks := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n).*?(<!-- /` + name + ` -->)`)
	if !marks.MatchString(text) {
		t.Fatalf("README has no section %s", name)
	}

	return marks.ReplaceAllString(text, "${1}"+strings.ReplaceAll(content, "$", "$$")+"${2}")
}

func settingsTable() string {
	var table strings.Builder

	table.WriteString("| variable | default | |\n|---|---|---|\n")

	for field := range reflect.TypeFor[config]().Fields() {
		fallback := field.Tag.Get("default")
		if fallback != "" {
			fallback = "`" + fallback + "`"
		}

		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", field.Tag.Get("env"), fallback, field.Tag.Get("help"))
	}

	return table.String()
}

func jobsTable() string {
	var table strings.Builder

	table.WriteString("| kind | queue | attempts | does |\n|---|---|---|---|\n")

	for _, kind := range []struct{ name, does string }{
		{jobs.Inventory{}.Kind(), "takes the stock of all lines or none: confirms the order, or rejects it and undoes the rest"},
		{jobs.Points{}.Kind(), "+10 points for the customer"},
		{jobs.Notification{}.Kind(), "a message in the customer's inbox"},
		{jobs.Expire{}.Kind(), "at a held order's deadline: ends it if it is not paid"},
		{jobs.Compensate{}.Kind(), "every 30 s: redrives dead letters or undoes their orders, expires overdue orders, adopts orphans"},
		{jobs.Audit{}.Kind(), "every 5 min: proves the invariants on what is new"},
		{jobs.Prune{}.Kind(), "every minute: deletes Idempotency-Keys past 24 hours, and completed jobs past 5 minutes"},
	} {
		p := jobs.PolicyOf(kind.name)
		fmt.Fprintf(&table, "| `%s` | %s | %d | %s |\n", kind.name, p.Queue, cmp.Or(p.MaxAttempts, jobs.Defaults().Attempts), kind.does)
	}

	return table.String()
}
