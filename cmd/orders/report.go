package main

import (
	"fmt"
	"text/tabwriter"

	"orders/cmd/orders/output"
	"orders/db/report"
)

type reportCmd struct {
	Name   string `arg:"" optional:"" help:"Name of the report; without it, all reports are listed."`
	Format string `default:"table" enum:"table,csv,json" help:"Output format: table, csv or json."`
}

// Run prints a report, or the list of all reports.
func (c reportCmd) Run(p *program) error {
	if c.Name == "" {
		return listReports(p)
	}

	pool, err := openChecked(p)
	if err != nil {
		return err
	}
	defer pool.Close()

	table, err := report.Run(p.ctx, pool, c.Name)
	if err != nil {
		return err
	}

	return output.Table(p.stdout, table, c.Format)
}

func listReports(p *program) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, r := range report.All() {
		fmt.Fprintf(w, "%s\t%s\n", r.Name, r.Question)
	}

	return w.Flush()
}
