package console

import (
	"net/http"
	"net/url"

	"orders/api/console/page"
	"orders/db/report"
)

type reportsPage struct{ Reports []report.Report }

func (c *console) reports(*http.Request) (page.View, error) {
	return page.View{Template: "reports", Title: "Reports", Section: "reports", Data: reportsPage{report.All()}}, nil
}

type reportPage struct {
	Report     report.Report
	Parameters []parameterField
	Table      report.Table
	Limit      int
	CSV        string // address of all rows
}

// A parameterField is a parameter with what the form has.
type parameterField struct {
	report.Parameter

	Value string
}

// maxReportRows bounds the rows that a page shows. The csv has more.
const maxReportRows = 200

func (c *console) report(r *http.Request) (page.View, error) {
	v := page.View{Template: "report", Section: "reports"}

	found, err := report.Find(r.PathValue("name"))
	if err != nil {
		return v, err
	}

	p := reportPage{Report: found, Limit: maxReportRows}
	args := map[string]string{}
	query := url.Values{"format": {"csv"}}

	for _, parameter := range found.Parameters {
		field := parameterField{parameter, page.Text(r, parameter.Name)}
		p.Parameters = append(p.Parameters, field)

		if field.Value != "" {
			args[field.Name] = field.Value
			query.Set(field.Name, field.Value)
		}
	}

	p.CSV = "/reports/" + found.Name + "?" + query.Encode()
	p.Table, err = report.Run(r.Context(), c.Pool, found.Name, report.Query{Limit: maxReportRows, Args: args})
	v.Title, v.Data = found.Title, p

	return v, err
}
