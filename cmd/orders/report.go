package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db/report"
)

// reportTimeout is how long a report may take for an operator, who can interrupt it.
const reportTimeout = 10 * time.Minute

type reportCmd struct {
	Name   string `arg:"" optional:"" help:"Name of the report; without it, all reports are listed."`
	Since  string `placeholder:"TIME" help:"Only from then on: a time, a date (UTC), or now-2h or now-1d. The list has the defaults."`
	Until  string `placeholder:"TIME" help:"Only before, given as --since is."`
	SKU    string `name:"sku" help:"Only this product, for reports of stock."`
	Actor  string `help:"Only what this actor did, for report actions."`
	Limit  int    `default:"10000" help:"The largest number of rows: 1 to 10000."`
	Format string `default:"table" enum:"table,csv,json" help:"Output format: table, csv or json."`
}

// args are the parameters of the report.
func (c reportCmd) args() map[string]string {
	return map[string]string{"since": c.Since, "until": c.Until, "sku": c.SKU, "actor": c.Actor}
}

// Run prints a report, or the list of all reports.
func (c reportCmd) Run(p *program) error {
	if c.Name == "" {
		return listReports(p)
	}

	if c.Limit < 1 || c.Limit > report.MaxLimit {
		return shell.Mistake("give --limit as a number from 1 to %d", report.MaxLimit)
	}

	if _, err := report.Find(c.Name); err != nil {
		return shell.AsMistake(err)
	}

	pool, err := openChecked(p)
	if err != nil {
		return err
	}
	defer pool.Close()

	table, err := report.Run(p.ctx, pool, c.Name, report.Query{Args: c.args(), Prefix: "--", Limit: c.Limit, Timeout: reportTimeout})
	if err != nil {
		return shell.Refusal(err)
	}

	if table.Truncated {
		fmt.Fprintf(p.stderr, "There are more than %d rows: ask about a shorter time, or raise --limit.\n", c.Limit)
	}

	return output.Table(p.stdout, table, c.Format)
}

func listReports(p *program) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, r := range report.All() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, parametersOf(r), r.Question)
	}

	return w.Flush()
}

// parametersOf are a report's flags, with their defaults.
func parametersOf(r report.Report) string {
	flags := make([]string, len(r.Parameters))
	for i, p := range r.Parameters {
		flags[i] = strings.TrimSuffix("--"+p.Name+"="+p.Default, "=")
	}

	return strings.Join(flags, " ")
}
