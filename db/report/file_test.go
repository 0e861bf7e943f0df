package report_test

import (
	"encoding/csv"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

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

		for _, p := range r.Parameters {
			checkParameter(t, r, p)
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

			// Values are int64, float64, bool, string and time.Time.
			if !slices.Contains([]uint32{pgtype.Int8OID, pgtype.Float8OID, pgtype.BoolOID, pgtype.TextOID, pgtype.TimestamptzOID}, f.DataTypeOID) {
				t.Errorf("%s: column %s has the type %d", r.Name, f.Name, f.DataTypeOID)
			}
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

	for _, r := range report.All() {
		args := map[string]string{}
		for _, p := range r.Parameters {
			args[p.Name] = map[report.Type]string{report.Time: "now-1h", report.Text: "'; DELETE FROM orders"}[p.Type]
		}

		for _, given := range []map[string]string{nil, args} {
			if _, err := report.Run(t.Context(), b, r.Name, report.Query{Args: given}); err != nil {
				t.Errorf("%s %v: %v", r.Name, given, err)
			}
		}
	}
}

// checkParameter compares what the header says with what the SQL does.
func checkParameter(t *testing.T, r report.Report, p report.Parameter) {
	t.Helper()

	if p.Doc == "" || !slices.Contains(report.Types(), p.Type) {
		t.Errorf("%s: parameter %s of type %q is not explained", r.Name, p.Name, p.Type)
	}

	read := "report_text('" + p.Name + "')"

	if p.Type == report.Time {
		otherwise := "'9999-01-01Z'"

		if ago, ok := strings.CutPrefix(p.Default, "now-"); ok {
			n, unit := ago[:len(ago)-1], map[byte]string{'h': "hour", 'd': "day"}[ago[len(ago)-1]]
			if n != "1" {
				unit += "s"
			}

			otherwise = "now() - interval '" + n + " " + unit + "'"
		}

		read = "report_time('" + p.Name + "', " + otherwise + ")"
	}

	all := regexp.MustCompile(`report_(text|time)\('`+p.Name+`'`).FindAllString(r.SQL, -1)
	if same := strings.Count(r.SQL, read); same == 0 || same != len(all) {
		t.Errorf("%s: the header says that parameter %s is %s; the query has that %d times of %d", r.Name, p.Name, read, same, len(all))
	}
}

// The limit, the time and what is not declared are refused or cut, and a report cannot write.
func TestReportsAreBounded(t *testing.T) {
	t.Parallel()

	b := setupReport(t)
	b.seed(t, `INSERT INTO stats_minutes SELECT now() - n * interval '1 minute', n, 0, 0, 0, 0, 0 FROM generate_series(1, 30) AS n`)

	run := func(name string, q report.Query) (report.Table, error) { return report.Run(t.Context(), b, name, q) }

	for limit, truncated := range map[int]bool{29: true, 30: false} {
		table, err := run("throughput-by-minute", report.Query{Limit: limit})
		if err != nil || len(table.Rows) != limit || table.Truncated != truncated {
			t.Errorf("limit %d: %d rows, truncated %t, %v", limit, len(table.Rows), table.Truncated, err)
		}
	}

	b.seed(t, `
		CREATE FUNCTION pg_temp.slow() RETURNS bigint
		LANGUAGE sql
		RETURN (SELECT count(pg_sleep(600)))`, `
		CREATE TEMPORARY VIEW stats_refusals AS
		SELECT now() AS minute, 'x' AS cause, pg_temp.slow() AS refused`)

	for text, test := range map[string]struct {
		name  string
		query report.Query
		code  order.Code
	}{
		"shows the present":   {"queue-depth", report.Query{Args: map[string]string{"since": "now-1h"}}, order.Invalid},
		"it has since, until": {"orders-by-hour", report.Query{Args: map[string]string{"sku": "tea"}}, order.Invalid},
		"now-2h":              {"orders-by-hour", report.Query{Args: map[string]string{"until": "noon"}}, order.Invalid},
		"at most 200 bytes":   {"stock-movements", report.Query{Args: map[string]string{"sku": strings.Repeat("x", 201)}}, order.Invalid},
		"took more than 10ms": {"throughput-by-hour", report.Query{Timeout: 10 * time.Millisecond}, order.Unavailable},
	} {
		_, err := run(test.name, test.query)

		refusal, ok := errors.AsType[*order.Error](err)
		if !ok || refusal.Code != test.code || !strings.Contains(refusal.Message, text) {
			t.Errorf("%s: %v", text, err)
		}
	}

	b.seed(t, `
		CREATE FUNCTION pg_temp.writes() RETURNS bigint
		LANGUAGE sql
		AS 'WITH deleted AS (DELETE FROM products RETURNING 1) SELECT count(*) FROM deleted'`, `
		CREATE OR REPLACE TEMPORARY VIEW stats_refusals AS
		SELECT now() AS minute, 'x' AS cause, pg_temp.writes() AS refused`)

	if _, err := run("throughput-by-hour", report.Query{}); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a report that writes: %v", err)
	}
}

func TestReportUnknown(t *testing.T) {
	t.Parallel()

	_, err := report.Run(t.Context(), nil, "orders", report.Query{})

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
