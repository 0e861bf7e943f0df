package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// A column is a title and the figures it shows, divided by slashes.
type column struct {
	title   string
	unit    string
	figures []string
	format  string
	spread  bool // show the least and the most of the runs, too
}

var columns = []column{
	{"placed", "/s", []string{"placed_per_s"}, "%.0f", false},
	{"settled", "/s (min–max)", []string{"settled_per_s"}, "%.0f", true},
	{"POST p50/p99/p99.9", "ms", []string{"post_p50_ms", "post_p99_ms", "post_p999_ms"}, "%.0f", false},
	{"settled after p50/p99/max", "ms", []string{"settle_p50_ms", "settle_p99_ms", "settle_max_ms"}, "%.0f", false},
	{"CPU postgres/serve/work/load", "s per 1,000", []string{"postgres_cpu_s", "serve_cpu_s", "work_cpu_s", "load_cpu_s"}, "%.2f", false},
	{"RSS serve/work/postgres", "MiB peak", []string{"serve_rss_peak_mib", "work_rss_peak_mib", "postgres_private_mib"}, "%.0f", false},
	{"WAL", "KB an order", []string{"wal_kb_per_order"}, "%.1f", false},
	{"tx/statements", "per 1,000", []string{"transactions_per_1000", "statements_per_1000"}, "%.0f", false},
	{"40P01", "", []string{"deadlocks"}, "%.0f", false},
}

// print writes the table, what its rows are, and what came of the targets.
func (r *report) print(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "orders %s on %s, %d cores, %s, Linux %s, %s, Postgres %s, %s\n",
		m.Orders, m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.Postgres, m.Date.Format("2006-01-02 15:04 MST"))
	fmt.Fprintf(w, "Postgres, serve, work and the load share the machine. Postgres is durable: fsync and synchronous_commit on")

	for _, name := range slices.Sorted(maps.Keys(m.Settings)) {
		fmt.Fprintf(w, ", %s=%s", name, m.Settings[name])
	}

	fmt.Fprintf(w, ".\nMedians of %d runs, of %s orders each where no time is said; private memory of postgres without shared buffers.\n\n",
		r.Repeat, thousands(r.Orders))

	if err := r.printRows(w); err != nil {
		return err
	}

	fmt.Fprintln(w)

	if err := r.printTargets(w); err != nil {
		return err
	}

	return nil
}

func (r *report) printRows(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)

	for n := range 2 {
		fmt.Fprint(t, []string{"scenario", ""}[n])

		for _, c := range columns {
			fmt.Fprint(t, "\t", []string{c.title, c.unit}[n])
		}

		fmt.Fprintln(t, "\t")
	}

	for _, s := range r.Scenarios {
		fmt.Fprint(t, s.Name)

		for _, c := range columns {
			fmt.Fprint(t, "\t", c.cell(s))
		}

		fmt.Fprintln(t, "\t", s.What)
	}

	return t.Flush()
}

// cell is a scenario's figures in the column; a dash for each that it has not.
func (c column) cell(s *summary) string {
	parts := make([]string, len(c.figures))

	for i, name := range c.figures {
		value, there := s.Median[name]

		switch {
		case !there:
			parts[i] = "–"
		case c.spread && len(s.Runs) > 1:
			parts[i] = fmt.Sprintf(c.format+" ("+c.format+"–"+c.format+")", value, s.Min[name], s.Max[name])
		default:
			parts[i] = fmt.Sprintf(c.format, value)
		}
	}

	return strings.Join(parts, "/")
}

func (r *report) printTargets(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)

	for _, v := range r.Targets {
		verdict := "ok"
		if !v.OK {
			verdict = "MISSED"
		}

		fmt.Fprintf(t, "%s\t%.2f\t%s\t%s\n", v.Name, v.Value, v.Bound, verdict)
	}

	return t.Flush()
}
