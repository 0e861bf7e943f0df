package operator

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/access"
	"orders/api/middleware"
	"orders/api/operation"
	"orders/db/report"
	"orders/db/sqlfile"
	"orders/order"
)

func (s *service) registerReports() {
	example := reportOf(report.Report{Name: "top-customers"})
	for _, r := range report.All() {
		if r.Name == example.Name {
			example = reportOf(r)
		}
	}

	operation.Register(s.api, huma.Operation{
		OperationID: "list-reports",
		Method:      http.MethodGet,
		Path:        "/reports",
		Tags:        []string{"reports"},
		Summary:     "List reports",
		Description: "Lists the reports, the question that each answers, its parameters and its columns.",
	}, operation.Contract{
		Roles:    access.ToWatch,
		Response: reportList{Reports: []Report{example}},
		Returns:  "The reports by name",
	}, func(context.Context, *struct{}) (reportList, error) {
		return reportList{Reports: operation.Each(report.All(), reportOf)}, nil
	})

	s.registerReport(example)
}

func (s *service) registerReport(example Report) {
	op := huma.Operation{
		OperationID: "run-report",
		Method:      http.MethodGet,
		Path:        "/reports/{name}",
		Tags:        []string{"reports"},
		Summary:     "Run a report",
		Description: "Runs a report in a read-only transaction, on one snapshot, for 10 seconds at most. A parameter that the report " +
			"does not have is refused. The response is JSON, or CSV with `format=csv` or `Accept: text/csv`. If there are more rows than " +
			"`limit`, the response has the first ones, and says so in `truncated` and in the header `Truncated`.",
	}

	contract := operation.Contract{
		Roles: access.ToWatch,
		Response: reportResult{Report: example, Rows: []ReportRow{{
			Columns: []string{"user_id", "currency", "orders", "confirmed", "total", "last_at"},
			Values:  []any{"u-1", "EUR", 3, 2, 900, exampleTime},
		}}},
		Returns:  "The rows of the report",
		Refusals: []order.Code{order.NotFound},
	}

	operation.RegisterOutput(s.api, op, contract, s.runReport)

	s.api.OpenAPI().Paths[op.Path].Get.Responses["200"].Content[middleware.MediaCSV] = &huma.MediaType{
		Schema:  &huma.Schema{Type: huma.TypeString},
		Example: "user_id,currency,orders,confirmed,total,last_at\nu-1,EUR,3,2,900,2026-01-05T09:30:00Z\n",
	}
}

// A Report is a named query.
type Report struct {
	Name       string            `json:"name" example:"top-customers" doc:"The report's name, for GET /reports/{name}"`
	Title      string            `json:"title"`
	Question   string            `json:"question" doc:"The question that it answers"`
	Parameters []ReportParameter `json:"parameters" nullable:"false" doc:"What narrows it; none if it shows the present"`
	Columns    []ReportColumn    `json:"columns" nullable:"false"`
}

// A ReportParameter narrows a report.
type ReportParameter struct {
	Name    string      `json:"name"`
	Type    report.Type `json:"type"`
	Default string      `json:"default_value" doc:"The value without the parameter; empty for none"`
	Doc     string      `json:"description"`
}

// A ReportColumn is a column of a report.
type ReportColumn struct {
	Name string `json:"name"`
	Doc  string `json:"description"`
}

func reportOf(r report.Report) Report {
	return Report{
		Name: r.Name, Title: r.Title, Question: r.Question,
		Parameters: operation.Each(r.Parameters, func(p report.Parameter) ReportParameter {
			return ReportParameter(p)
		}),
		Columns: operation.Each(r.Columns, func(c sqlfile.Column) ReportColumn { return ReportColumn(c) }),
	}
}

type reportList struct {
	Reports []Report `json:"reports" nullable:"false"`
}

type runReportInput struct {
	Name   string                 `path:"name" maxLength:"100" pattern:"^[a-z0-9-]+$" patternDescription:"the name of a report" example:"top-customers" doc:"The report's name, as GET /reports lists it"`
	Accept string                 `header:"Accept" hidden:"true"`
	Format operation.ReportFormat `query:"format" doc:"The format of the response; by default that which Accept allows, and json if it allows both"`
	Limit  int                    `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"The largest number of rows"`

	operation.Period

	SKU   operation.Text `query:"sku" maxLength:"64" doc:"Only this product, for reports that have the parameter"`
	Actor operation.Text `query:"actor" maxLength:"200" doc:"Only what this actor did, for reports that have the parameter"`
}

type reportOutput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	Truncated   string `header:"Truncated" enum:"true" doc:"Present if there are more rows"`
	Body        reportResult
}

// A reportResult is a report with its rows.
type reportResult struct {
	Report    Report      `json:"report"`
	Rows      []ReportRow `json:"rows" nullable:"false" doc:"The rows, with a field for each column"`
	Truncated bool        `json:"truncated" doc:"Whether there are more rows"`

	table report.Table
}

// WriteCSV writes the rows.
func (r reportResult) WriteCSV(w io.Writer) error { return r.table.WriteCSV(w) } //nolint:wrapcheck // it is huma's writer

// A ReportRow has the fields that the report's columns name.
type ReportRow report.Row

// MarshalJSON writes the fields in the order of the columns.
func (r ReportRow) MarshalJSON() ([]byte, error) { return report.Row(r).MarshalJSON() } //nolint:wrapcheck // encoding/json does it

// Schema is that of any object: each report has its own columns.
func (ReportRow) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

func (s *service) runReport(ctx context.Context, in *runReportInput) (*reportOutput, error) {
	r, err := report.Find(in.Name)
	if err != nil {
		return nil, err //nolint:wrapcheck // a refusal
	}

	table, err := report.Run(ctx, s.pool, in.Name, report.Query{Limit: in.Limit, Args: map[string]string{
		"since": string(in.Since), "until": string(in.Until), "sku": string(in.SKU), "actor": string(in.Actor),
	}})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says which report
	}

	out := &reportOutput{ContentType: middleware.MediaJSON, Body: reportResult{
		Report:    reportOf(r),
		Rows:      operation.Each(table.Objects(), func(row report.Row) ReportRow { return ReportRow(row) }),
		Truncated: table.Truncated,
		table:     table,
	}}

	if in.Format == "csv" || in.Format == "" && in.Accept == middleware.MediaCSV {
		out.ContentType = middleware.MediaCSV
	}

	if table.Truncated {
		out.Truncated = "true"
	}

	return out, nil
}
