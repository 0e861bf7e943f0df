package api_test

import (
	"strings"
	"testing"

	"orders/api/operator"
	"orders/db/report"
	"orders/order"
)

type reportResult struct {
	Report    operator.Report  `json:"report"`
	Rows      []map[string]any `json:"rows"`
	Truncated bool             `json:"truncated"`
}

func TestReportsAreListedAndRun(t *testing.T) {
	t.Parallel()

	b := setup(t)

	listed := as[struct {
		Reports []operator.Report `json:"reports"`
	}](t, b.ask(t, "GET", "/reports", ""), 200).Reports
	if len(listed) != len(report.All()) {
		t.Errorf("%d reports are listed, of %d", len(listed), len(report.All()))
	}

	values := map[string]string{"since": "now-1d", "until": "2036-01-01", "sku": "tea", "actor": "alice"}

	for _, r := range listed {
		query := append(make([]string, 0, 1+len(r.Parameters)), "limit=5")
		for _, p := range r.Parameters {
			if values[p.Name] == "" {
				t.Errorf("the API does not have parameter %s of report %s", p.Name, r.Name)
			}

			query = append(query, p.Name+"="+values[p.Name])
		}

		got := as[reportResult](t, b.ask(t, "GET", "/reports/"+r.Name+"?"+strings.Join(query, "&"), ""), 200)
		if got.Report.Name != r.Name || got.Rows == nil {
			t.Errorf("%s: %+v", r.Name, got)
		}
	}

	if _, err := b.pool.Exec(t.Context(), `INSERT INTO stats_minutes SELECT date_trunc('minute', now()) - n * interval '1 minute', n, 0, 0, 0, 0, 0 FROM generate_series(1, 3) AS n`); err != nil {
		t.Fatal(err)
	}

	path := "/reports/throughput-by-minute?since=now-1d&limit=2"

	full := b.ask(t, "GET", path, "")
	if got := as[reportResult](t, full, 200); len(got.Rows) != 2 || got.Rows[1]["placed"] != 2.0 || !got.Truncated || full.header.Get("Truncated") != "true" {
		t.Errorf("json: %+v, %v", got, full.header)
	}

	if !strings.Contains(full.body, `"placed":1,"settled":0,"growth":1`) {
		t.Errorf("the fields are not in the order of the columns: %s", full.body)
	}

	for name, csv := range map[string]reply{
		"format": b.ask(t, "GET", path+"&format=csv", ""),
		"accept": b.ask(t, "GET", path, "", "Accept", "text/csv"),
	} {
		lines := strings.Split(csv.body, "\n")
		if csv.status != 200 || csv.header.Get("Content-Type") != "text/csv" || csv.header.Get("Truncated") != "true" ||
			len(lines) != 4 || !strings.HasPrefix(lines[0], "minute,placed,settled") || !strings.Contains(lines[2], "Z,2,0,2,") {
			t.Errorf("%s: %d %v %q", name, csv.status, csv.header, lines)
		}
	}

	if both := b.ask(t, "GET", path+"&format=json", "", "Accept", "text/csv, application/json;q=0.1"); both.header.Get("Content-Type") != "application/json" {
		t.Errorf("json is asked for: %v", both.header)
	}

	for path, code := range map[string]order.Code{
		"/reports/no-such":                      order.NotFound,
		"/reports/queue-depth?since=now-1h":     order.Invalid,
		"/reports/actions?since=yesterday":      order.Invalid,
		"/reports/actions?since=2026-02-31":     order.Invalid,
		"/reports/actions?limit=10001":          order.Invalid,
		"/reports/actions?format=xml":           order.Invalid,
		"/reports/throughput-by-hour?sku=bread": order.Invalid,
	} {
		status := 422
		if code == order.NotFound {
			status = 404
		}

		wantProblem(t, b.ask(t, "GET", path, "", "Accept", "text/csv"), status, code)
	}

	if image := b.ask(t, "GET", path, "", "Accept", "image/png"); image.status != 406 || !strings.Contains(image.body, "application/json or text/csv") {
		t.Errorf("an image: %d %s", image.status, image.body)
	}
}
