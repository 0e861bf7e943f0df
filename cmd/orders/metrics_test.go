package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"orders/db"
	"orders/db/condition"
	"orders/db/dbtest"
)

// What serve and work do is in their metrics, and each metric that the rules and the dashboard
// ask for is there.
func TestMetricsOfServeAndWork(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	start(t, map[string]string{"DATABASE_URL": url}, "seed").ended()

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	// It gets no event, so it has metrics and sends nothing.
	if _, err := pool.Exec(t.Context(), `INSERT INTO endpoints (kind, url, types, secret, position_seq, position_n, created_by)
		VALUES ('webhook', 'https://shop.example', '{stock.low}', 'x', 0, 0, 'x')`); err != nil {
		t.Fatal(err)
	}

	health := address(t)
	serving := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t)}, "serve").ready()
	working := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_WORK_LISTEN": health}, "work")
	working.url = "http://" + health
	working.ready()

	place := func(sku string) {
		t.Helper()

		if _, status, err := serving.place("", `{"user_id":"u-secret","lines":[{"sku":"`+sku+`","quantity":1}]}`); err != nil || status >= 500 {
			t.Fatalf("%d, %v", status, err)
		}
	}

	place("tea")
	place("tea")
	place("no-such-product")
	eventually(t, pool, 20, `SELECT coalesce(sum(balance), 0)::int FROM points_balances`)
	eventually(t, pool, 1, `SELECT count(*)::int FROM audit_runs`)
	eventually(t, pool, 9, `SELECT count(*)::int FROM sweeps`)

	served, worked := scrapeUntil(t, serving.url, `orders_placed_total 2`), scrapeUntil(t, working.url,
		`orders_step_seconds_count{step="points"} 2`, `orders_status_total{status="confirmed"} 2`, `orders_leader 1`,
		`orders_workers{state="alive"} 1`, `orders_audit_finished_timestamp_seconds{mode="incremental"}`, `orders_sweep_failures{sweep="redrive"} 0`)

	for _, line := range []string{
		`orders_refused_total{cause="unknown-sku"} 1`, `orders_http_requests_total{route="POST /orders",status="201"} 2`,
		`orders_batch_items_sum{group="place"}`, `orders_build_info{go="go`, "go_goroutines", "process_resident_memory_bytes",
		`orders_pool_waits_total`, `orders_queue_workers{queue="points"} 1`,
	} {
		if !strings.Contains(served, "\n"+line) {
			t.Errorf("serve has no %s", line)
		}
	}

	if strings.Contains(served+worked, "u-secret") || strings.Contains(served+worked, "tea") {
		t.Error("a user or a product is in the metrics")
	}

	// A worker on loopback asks for no token, and answers no page of another site.
	if status, _ := getMetrics(t, working.url, "", "evil.example"); status != http.StatusMisdirectedRequest {
		t.Errorf("status %d", status)
	}

	for _, file := range []string{"deploy/prometheus/rules.yml", "deploy/grafana/dashboards/orders.json"} {
		for _, name := range metricsIn(rootFile(t, file)) {
			if !strings.Contains(served+worked, "\n"+name+" ") && !strings.Contains(served+worked, "\n"+name+"{") {
				t.Errorf("%s asks for %s, which is in no scrape", file, name)
			}
		}
	}
}

// A worker that can be reached from other machines asks for a token, as serve does.
func TestMetricsOfAWorkerNeedAToken(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	_, port, _ := strings.Cut(address(t), ":")

	const token = "an-operator-of-thirty-two-characters-or-more"

	serving := start(t, map[string]string{
		"DATABASE_URL": url, "ORDERS_LISTEN": address(t), "ORDERS_INSECURE": "false", "ORDERS_OPERATOR_TOKEN": token,
	}, "serve").ready()
	working := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_WORK_LISTEN": "0.0.0.0:" + port}, "work")
	working.url = "http://127.0.0.1:" + port
	working.ready()

	for _, p := range []*process{serving, working} {
		if status, _ := getMetrics(t, p.url, ""); status != http.StatusUnauthorized {
			t.Errorf("without a token: %d", status)
		}

		if status, _ := getMetrics(t, p.url, token); status != http.StatusOK {
			t.Errorf("with a token: %d", status)
		}
	}
}

// Each alert has a section of docs/operations.md and a test, and each condition has an alert.
func TestEveryAlertHasARunbook(t *testing.T) {
	t.Parallel()

	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal([]byte(rootFile(t, "deploy/prometheus/rules.yml")), &rules); err != nil {
		t.Fatal(err)
	}

	const page = "docs/operations.md#"

	tests, anchors := rootFile(t, "deploy/prometheus/rules_test.yml"), map[string]bool{}
	sections := anchorsOf(rootFile(t, "docs/operations.md"))

	for _, group := range rules.Groups {
		for _, r := range group.Rules {
			anchor, found := strings.CutPrefix(r.Annotations["runbook_url"], page)
			anchors[anchor] = true

			if !found || r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s has no runbook, summary or severity: %v", r.Alert, r.Annotations)
			}

			if !strings.Contains(tests, "alertname: "+r.Alert+"\n") {
				t.Errorf("%s has no test in rules_test.yml", r.Alert)
			}

			if !slices.Contains(sections, anchor) {
				t.Errorf("%s: docs/operations.md has no section %s", r.Alert, anchor)
			}
		}
	}

	// `orders check` and ORDERS_ALERT_WEBHOOK know the same conditions, with the same sections. A schema that does not fit
	// is no alert of its own: the process is not ready.
	for _, name := range condition.Names() {
		if name != condition.Schema && !anchors[string(name)] {
			t.Errorf("no alert for condition %s", name)
		}
	}
}

func TestTheDashboardIsValid(t *testing.T) {
	t.Parallel()

	var board struct {
		UID    string `json:"uid"`
		Panels []struct {
			ID      int    `json:"id"`
			Title   string `json:"title"`
			Type    string `json:"type"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal([]byte(rootFile(t, "deploy/grafana/dashboards/orders.json")), &board); err != nil {
		t.Fatal(err)
	}

	ids := map[int]bool{}

	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %+v", p)
		}

		ids[p.ID] = true
	}
}

const repository = "../.."

func rootFile(t *testing.T, name string) string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

var (
	metricName = regexp.MustCompile(`\b(orders|process|go)_[a-z_]+\b`)
	expression = regexp.MustCompile(`(?m)"?expr"?: (.*)$`)
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// metricsIn are the metrics that the expressions of a file ask for.
func metricsIn(text string) (names []string) {
	for _, e := range expression.FindAllStringSubmatch(text, -1) {
		names = append(names, metricName.FindAllString(e[1], -1)...)
	}

	slices.Sort(names)

	return slices.Compact(names)
}

// anchorsOf are the sections of a page, as links name them.
func anchorsOf(markdown string) (anchors []string) {
	for _, h := range heading.FindAllStringSubmatch(markdown, -1) {
		title := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(h[1]), "")
		anchors = append(anchors, strings.ReplaceAll(title, " ", "-"))
	}

	return anchors
}

// scrapeUntil scrapes until lines are there. What is read from the database is up to 5 s old.
func scrapeUntil(t *testing.T, url string, lines ...string) (text string) {
	t.Helper()

	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		_, text = getMetrics(t, url, "")

		missing := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.Contains(text, "\n"+line) })
		if len(missing) == 0 {
			return text
		}

		if time.Now().After(deadline) {
			t.Fatalf("no %q in\n%s", missing, text)
		}
	}
}

func getMetrics(t *testing.T, url, token string, host ...string) (status int, text string) {
	t.Helper()

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}

	request.Host = strings.Join(host, "")

	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}

	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()

	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}

	return response.StatusCode, string(data)
}
