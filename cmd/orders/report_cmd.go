package main

import (
	"fmt"
	"text/tabwriter"

	"orders/db"
)

type reportCmd struct {
	Name   string `arg:"" optional:"" help:"Which report; without it, all are listed."`
	Format string `default:"table" enum:"table,csv,json" help:"table, csv or json."`
}

// Run prints a report, or the list of them.
func (c reportCmd) Run(p *program) error {
	if c.Name == "" {
		return listReports(p)
	}

	pool, err := openChecked(p)
	if err != nil {
		return err
	}
	defer pool.Close()

	table, err := db.RunReport(p.ctx, pool, c.Name)
	if err != nil {
		return err
	}

	return writeTable(p.stdout, table, c.Format)
}

func listReports(p *program) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, r := range db.Reports() {
		fmt.Fprintf(w, "%s\t%s\n", r.Name, r.Question)
	}

	return w.Flush()
}
