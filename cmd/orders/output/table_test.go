package output_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"orders/cmd/orders/output"
	"orders/db/report"
)

// sample has a value of each type, nulls, and text that would break a table or a terminal.
func sample() report.Table {
	at := time.Date(2026, 3, 1, 13, 30, 0, 0, time.FixedZone("", 3600))

	return report.Table{
		Columns: []string{"kind", "jobs", "share", "paused", "error", "at"},
		Rows: [][]any{
			{"points", int64(7), 0.25, true, "says \"no\",\nthen\t\x1b[31mred <b>", at},
			{"größe", int64(-1234567890), 2000000.0, false, "", nil},
			{"prune", nil, nil, nil, nil, at},
		},
	}
}

func TestTable(t *testing.T) {
	t.Parallel()

	for format, want := range map[string]string{
		"table": `
kind           jobs    share  paused  error                         at
points            7     0.25  true    says "no", then  [31mred <b>  2026-03-01T12:30:00Z
größe   -1234567890  2000000  false                                 -
prune             -        -  -       -                             2026-03-01T12:30:00Z
`,
		"csv": `
kind,jobs,share,paused,error,at
points,7,0.25,true,"says ""no"",
then	` + "\x1b" + `[31mred <b>",2026-03-01T12:30:00Z
größe,-1234567890,2000000,false,,
prune,,,,,2026-03-01T12:30:00Z
`,
		"json": `
[
{"kind":"points","jobs":7,"share":0.25,"paused":true,"error":"says \"no\",\nthen\t\u001b[31mred \u003cb\u003e","at":"2026-03-01T12:30:00Z"},
{"kind":"größe","jobs":-1234567890,"share":2000000,"paused":false,"error":"","at":null},
{"kind":"prune","jobs":null,"share":null,"paused":null,"error":null,"at":"2026-03-01T12:30:00Z"}
]
`,
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()

			if got := write(t, sample(), format); got != want[1:] {
				t.Errorf("got\n%s\nwant\n%s", got, want[1:])
			}
		})
	}
}

// Other programs must be able to read csv and json.
func TestTableIsReadBack(t *testing.T) {
	t.Parallel()

	records, err := csv.NewReader(strings.NewReader(write(t, sample(), "csv"))).ReadAll()
	if err != nil || len(records) != 4 || records[1][4] != sample().Rows[0][4] {
		t.Errorf("csv: %q, %v", records, err)
	}

	var objects []map[string]any
	if err := json.Unmarshal([]byte(write(t, sample(), "json")), &objects); err != nil {
		t.Fatalf("json: %v", err)
	}

	want := map[string]any{"kind": "prune", "jobs": nil, "share": nil, "paused": nil, "error": nil, "at": "2026-03-01T12:30:00Z"}
	if len(objects) != 3 || !reflect.DeepEqual(objects[2], want) {
		t.Errorf("json: %v", objects)
	}
}

func TestTableWithoutRows(t *testing.T) {
	t.Parallel()

	for format, want := range map[string]string{
		"table": "(no rows)\n",
		"csv":   "sku,available\n",
		"json":  "[]\n",
	} {
		if got := write(t, report.Table{Columns: []string{"sku", "available"}}, format); got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
}

func TestTableFails(t *testing.T) {
	t.Parallel()

	if err := output.Table(&strings.Builder{}, sample(), "xml"); err == nil || !strings.Contains(err.Error(), "table, csv or json") {
		t.Errorf("unknown format: got %v", err)
	}

	for _, format := range []string{"table", "csv", "json"} {
		if err := output.Table(closed{}, sample(), format); !errors.Is(err, errClosed) {
			t.Errorf("%s to a closed pipe: got %v", format, err)
		}
	}
}

var errClosed = errors.New("closed")

// closed is a pipe whose reader has gone.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errClosed }

func write(t *testing.T, table report.Table, format string) string {
	t.Helper()

	var out strings.Builder
	if err := output.Table(&out, table, format); err != nil {
		t.Fatalf("write %s: %v", format, err)
	}

	return out.String()
}
