package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// english groups digits by thousands.
var english = message.NewPrinter(language.English)

// A column shows figures, divided by slashes.
type column struct {
	title   string
	unit    string
	figures []string
	format  string
	bounds  bool // also show the minimum and the maximum of the runs
}

var columns = []column{
	{"placed", "/s", []string{"placed_per_s"}, "%.0f", false},
	{"settled", "/s (min–max)", []string{"settled_per_s"}, "%.0f", true},
	{"POST p50/p99/p99.9", "ms", []string{"post_p50_ms", "post_p99_ms", "post_p999_ms"}, "%.0f", false},
	{"settled after p50/p99/max", "ms", []string{"settle_p50_ms", "settle_p99_ms", "settle_max_ms"}, "%.0f", false},
	{"CPU postgres/serve/work/load", "s per 1,000", []string{"postgres_cpu_s", "serve_cpu_s", "work_cpu_s", "load_cpu_s"}, "%.2f", false},
	{"RSS serve/work", "MiB peak", []string{"serve_rss_peak_mib", "work_rss_peak_mib"}, "%.0f", false},
	{"WAL", "kB an order", []string{"wal_kb_per_order"}, "%.1f", false},
	{"transactions", "per 1,000", []string{"transactions_per_1000"}, "%.0f", false},
	{"delivered/again", "/s", []string{"delivered_per_s", "delivered_again"}, "%.0f", false},
	{"40P01", "", []string{"deadlocks"}, "%.0f", false},
}

// print writes the table and the results of the targets.
func (r *Report) print(w io.Writer) error {
	_, _ = english.Fprintf(w, "%s.\nPostgres, serve, work and the load share the machine. Postgres is durable: "+
		"fsync and synchronous_commit are on.\nMedians of %d runs, of %d orders each unless the scenario has a duration.\n\n",
		r.Machine, r.Repeat, r.Orders)

	if r.LeftOut != "" {
		fmt.Fprintln(w, r.LeftOut+"\n")
	}

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.printScenarios(t)
	fmt.Fprintln(t)

	outcome := map[bool]string{true: "ok", false: "MISSED"}
	for _, result := range r.Targets {
		fmt.Fprintf(t, "%s\t%.2f\t%s\t%s\n", result.Name, result.Value, result.Bound, outcome[result.OK])
	}

	return t.Flush()
}

func (r *Report) printScenarios(w io.Writer) {
	titles, units := "scenario", ""
	for _, c := range columns {
		titles = fmt.Sprintf("%s\t%s", titles, c.title)
		units = fmt.Sprintf("%s\t%s", units, c.unit)
	}

	fmt.Fprintf(w, "%s\t\n%s\t\n", titles, units)

	for _, s := range r.Scenarios {
		fmt.Fprint(w, s.Name)

		for _, c := range columns {
			fmt.Fprint(w, "\t", c.cell(s))
		}

		fmt.Fprintln(w, "\t", s.Description)
	}
}

// cell shows a dash for each figure that the scenario does not have.
func (c column) cell(s *Summary) string {
	parts := make([]string, len(c.figures))

	for i, name := range c.figures {
		value, measured := s.Median[name]

		switch {
		case !measured:
			parts[i] = "–"
		case c.bounds && len(s.Runs) > 1:
			parts[i] = english.Sprintf(c.format+" ("+c.format+"–"+c.format+")", value, s.Min[name], s.Max[name])
		default:
			parts[i] = english.Sprintf(c.format, value)
		}
	}

	return strings.Join(parts, "/")
}
