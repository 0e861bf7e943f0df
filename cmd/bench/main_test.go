package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orders/cmd/bench/report"
)

func TestMain(m *testing.M) {
	// The bench starts its own program as the baselines.
	if len(os.Args) > 1 && slices.Contains([]string{"textbook", "broker"}, os.Args[1]) {
		main()
	}

	os.Exit(m.Run())
}

// TestBench runs a small one from end to end, on real processes.
func TestBench(t *testing.T) {
	t.Parallel()

	program := filepath.Join(t.TempDir(), "orders")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../orders").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}

	var stdout, stderr bytes.Buffer

	args := []string{
		"--orders", program, "--scenario", "textbook,broker,spread,killed,mixed,webhooks outage", "--kill-after", "1s", "--outage", "1s",
		"--orders-per-run", "300", "--repeat", "1", "--broker-consumers", "8", "--json", "-",
	}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, &stderr)
	}

	var got report.Report
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}

	measured := []string{"textbook", "spread", "mixed"}
	if got.LeftOut == "" { // RabbitMQ is installed
		measured = append(measured, "broker")
	}

	for _, scenario := range measured {
		for figure, want := range map[string]float64{"placed": 300, "settled": 300, "deadlocks": 0} {
			if value, ok := got.Median(scenario, figure); !ok || value != want {
				t.Errorf("%s: %s = %g, want %g", scenario, figure, value, want)
			}
		}

		for _, figure := range []string{
			"placed_per_s", "settled_per_s", "post_p50_ms", "post_p999_ms", "settle_p50_ms", "settle_p99_ms", "settle_max_ms",
			"postgres_cpu_s", "serve_cpu_s", "load_cpu_s", "serve_rss_peak_mib", "wal_kb_per_order", "transactions_per_1000",
		} {
			if value, _ := got.Median(scenario, figure); value <= 0 {
				t.Errorf("%s: %s = %g", scenario, figure, value)
			}
		}
	}

	// A transaction for each order and job, in textbook.
	if n, _ := got.Median("textbook", "transactions_per_1000"); n < 4000 {
		t.Errorf("textbook: %g transactions for 1,000 orders", n)
	}

	if took, _ := got.Median("killed", "taken_over_s"); took <= 0 {
		t.Errorf("killed: the steps of the killed worker are done after %g s", took)
	}

	for _, figure := range []string{"drain_s", "drain_to_outage", "delivered_per_s"} { // the run fails if an event is lost
		if value, _ := got.Median("webhooks outage", figure); value <= 0 {
			t.Errorf("webhooks outage: %s = %g", figure, value)
		}
	}

	if rss, _ := got.Median("spread", "work_rss_peak_mib"); rss < 5 || rss > 500 {
		t.Errorf("work: %g MiB", rss)
	}

	if !strings.Contains(got.Machine, "Postgres 1") || !strings.Contains(got.Machine, "cores of") || len(got.Targets) == 0 {
		t.Errorf("report = %+v", got)
	}

	if !strings.Contains(stderr.String(), "spread 1  ") {
		t.Errorf("progress = %s", &stderr)
	}
}

// Without RabbitMQ, the recipe is left out, and the report says so.
func TestBrokerIsLeftOutWithASentence(t *testing.T) {
	t.Parallel()

	var stdout, stderr bytes.Buffer

	args := []string{"--orders", "/bin/echo", "--scenario", "broker,broker hot", "--rabbitmq-bin", t.TempDir(), "--repeat", "1"}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, &stderr)
	}

	const sentence = "The broker recipe was not measured: rabbitmq-server is not installed.\n"
	if !strings.Contains(stdout.String(), sentence) || !strings.Contains(stderr.String(), sentence) {
		t.Errorf("report:\n%s\nprogress:\n%s", &stdout, &stderr)
	}
}

func TestUnknownScenario(t *testing.T) {
	t.Parallel()

	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"--scenario", "sprd"}, &bytes.Buffer{}, &stderr); code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}

	if !strings.Contains(stderr.String(), `no scenario "sprd"`) {
		t.Errorf("it said: %s", &stderr)
	}
}

func TestWhatWouldMeasureNothingIsRefused(t *testing.T) {
	t.Parallel()

	for _, flag := range []string{"--repeat=0", "--orders-per-run=0", "--connections=0", "--broker-consumers=0", "--soak=-1s", "--kill-after=-1s", "--outage=0s"} {
		var stdout, stderr bytes.Buffer

		if code := run(t.Context(), []string{flag}, &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), "1 or more") {
			t.Errorf("%s: exit code %d, %s", flag, code, stderr.String())
		}
	}
}
