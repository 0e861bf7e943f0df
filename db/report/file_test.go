package report_test

import (
	"encoding/csv"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"orders/db/dbtest"
	"orders/db/report"
	"orders/order"
)

func TestReportHeaders(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	names := []string{}

	for _, r := range report.All() {
		names = append(names, r.Name)

		if r.Title == "" || !strings.HasSuffix(r.Question, "?") {
			t.Errorf("%s: title %q, question %q", r.Name, r.Title, r.Question)
		}

		statement, err := b.Prepare(t.Context(), r.Name, r.SQL)
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)

			continue
		}

		var documented, returned []string

		for _, c := range r.Columns {
			documented = append(documented, c.Name)

			if c.Doc == "" {
				t.Errorf("%s: column %s is not explained", r.Name, c.Name)
			}
		}

		for _, f := range statement.Fields {
			returned = append(returned, f.Name)
		}

		if !slices.Equal(documented, returned) {
			t.Errorf("%s: the header has %v, the query %v", r.Name, documented, returned)
		}
	}

	if !slices.Equal(names, reportNames) {
		t.Errorf("reports: got %v, want %v", names, reportNames)
	}
}

func TestReportsOnlyRead(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, "SET TRANSACTION READ ONLY")

	for _, name := range reportNames {
		if _, err := report.Run(t.Context(), b, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReportUnknown(t *testing.T) {
	t.Parallel()

	_, err := report.Run(t.Context(), nil, "orders")

	refusal, ok := errors.AsType[*order.Error](err)
	if !ok || refusal.Code != order.NotFound {
		t.Fatalf("got %v, want %s", err, order.NotFound)
	}

	for _, name := range reportNames {
		if !strings.Contains(refusal.Message, name) {
			t.Errorf("%q does not name %s", refusal.Message, name)
		}
	}
}

// An operator without the program has psql and the files.
func TestReportsRunWithPsql(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	for _, r := range report.All() {
		psql := exec.CommandContext(t.Context(), "psql",
			"--no-psqlrc", "--set=ON_ERROR_STOP=1", "--csv", "--file="+r.Name+".sql", url)

		var stdout, stderr strings.Builder

		psql.Stdout, psql.Stderr = &stdout, &stderr

		if err := psql.Run(); err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v\n%s", r.Name, err, stderr.String())

			continue
		}

		records, err := csv.NewReader(strings.NewReader(stdout.String())).ReadAll()
		if err != nil || len(records) == 0 {
			t.Fatalf("%s: %v, %v", r.Name, records, err)
		}

		documented := make([]string, 0, len(r.Columns))
		for _, c := range r.Columns {
			documented = append(documented, c.Name)
		}

		if !slices.Equal(records[0], documented) {
			t.Errorf("%s: psql's columns are %v, the header's %v", r.Name, records[0], documented)
		}
	}
}
