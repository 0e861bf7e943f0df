package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"orders/cmd/bench/report"
)

// fastReport is of a machine that is fast enough, but not over a backlog.
func fastReport() *report.Report {
	r := report.New("v1", "15", 20_000, 1)

	for name, settled := range map[string]float64{"textbook": 150, "broker": 660, "ceiling": 5000, "spread": 3300, "hot": 2900} {
		r.Add(name, "", report.Figures{"settled_per_s": settled, "deadlocks": 0})
	}

	r.Add("backlog", "", report.Figures{"settled_per_s": 1300, "to_plain": 0.39})

	return r
}

func result(t *testing.T, r *report.Report, name string) report.Result {
	t.Helper()

	i := slices.IndexFunc(r.Targets, func(result report.Result) bool { return result.Name == name })
	if i < 0 {
		t.Fatalf("no result for %q: %+v", name, r.Targets)
	}

	return r.Targets[i]
}

func TestEvaluate(t *testing.T) {
	t.Parallel()

	r := fastReport()
	r.Evaluate()

	for name, want := range map[string]float64{
		"settled, to textbook River":      22,
		"settled, to the queue's ceiling": 0.66,
		"settled, to the broker recipe":   5,
		"deadlocks of all runs":           0,
	} {
		if got := result(t, r, name); !got.OK || got.Failed || got.Value != want {
			t.Errorf("result = %+v, want %g", got, want)
		}
	}

	// Missed, and by more than noise.
	if got := result(t, r, "backlog, to the run without before it"); got.OK || !got.Failed {
		t.Errorf("result = %+v", got)
	}

	if err := r.Check(); err == nil || !strings.Contains(err.Error(), "backlog") {
		t.Errorf("check = %v", err)
	}

	for _, got := range r.Targets {
		if strings.Contains(got.Name, "history") || strings.Contains(got.Name, "memory") || strings.Contains(got.Name, "broker recipe's hot") {
			t.Errorf("a result of what was not measured: %+v", got)
		}
	}
}

// The cost of four pairs is compared with that of one pair of the same run.
func TestCostOfFourPairs(t *testing.T) {
	t.Parallel()

	r := report.New("v1", "15", 20_000, 1)
	r.Add("spread", "", report.Figures{"settled_per_s": 1000, "postgres_cpu_s": 0.5})
	r.Add("4 processes", "", report.Figures{"settled_per_s": 950, "postgres_cpu_s": 0.65})
	r.Add("overload", "", report.Figures{"placed_per_s": 850})
	r.Evaluate()

	for name, want := range map[string]struct {
		value float64
		ok    bool
	}{
		"4 processes, to spread":                         {0.95, true},
		"4 processes: Postgres' CPU an order, to spread": {1.3, false},
		"overload: accepted, to capacity":                {0.85, false},
	} {
		if got := result(t, r, name); got.Value != want.value || got.OK != want.ok {
			t.Errorf("result = %+v, want %+v", got, want)
		}
	}
}

func TestCheckAllowsNoise(t *testing.T) {
	t.Parallel()

	r := report.New("v1", "15", 20_000, 1)
	r.Add("textbook", "", report.Figures{"settled_per_s": 100})
	r.Add("spread", "", report.Figures{"settled_per_s": 1500, "wal_kb_per_order": 12}) // 15×: missed, but not by half
	r.Evaluate()

	// The second is far from its target, but it is no ratio of two figures of this run.
	for _, name := range []string{"settled, to textbook River", "spread: WAL of an order"} {
		if got := result(t, r, name); got.OK || got.Failed {
			t.Errorf("result = %+v", got)
		}
	}

	if err := r.Check(); err != nil {
		t.Errorf("check = %v", err)
	}
}

// The targets are for our processes, not for textbook's.
func TestLargestOfRuns(t *testing.T) {
	t.Parallel()

	r := report.New("v1", "15", 20_000, 1)
	r.Add("textbook", "", report.Figures{"serve_rss_peak_mib": 300})

	for _, peak := range []float64{80, 120, 90} {
		r.Add("spread", "", report.Figures{"serve_rss_peak_mib": peak})
	}

	r.Evaluate()

	if got := result(t, r, "memory of serve, most of all runs"); got.Value != 120 || !got.OK {
		t.Errorf("result = %+v", got)
	}
}

func TestSoakGrowth(t *testing.T) {
	t.Parallel()

	const name = "soak: river_job's size, last third to middle"

	r := report.New("v1", "15", 20_000, 1)
	for _, size := range []int64{10, 90, 100, 100, 90, 120} {
		r.Soak = append(r.Soak, report.Sample{Size: size, Jobs: 1000 * size})
	}

	r.Evaluate()

	if got := result(t, r, name); got.Value != 1.2 || !got.OK {
		t.Errorf("result = %+v", got)
	}

	if got := result(t, r, "soak: rows of river_job, at most"); got.Value != 120_000 || got.OK {
		t.Errorf("result = %+v", got)
	}

	short := &report.Report{Soak: r.Soak[:2]}
	short.Evaluate()

	for _, got := range short.Targets {
		if got.Name == name {
			t.Errorf("two samples say nothing of growth: %+v", got)
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()

	r := &report.Report{}
	for _, settled := range []float64{3000, 2000, 9000} {
		r.Add("spread", "", report.Figures{"settled_per_s": settled})
	}

	s := r.Scenarios[0]
	if s.Median["settled_per_s"] != 3000 || s.Min["settled_per_s"] != 2000 || s.Max["settled_per_s"] != 9000 {
		t.Errorf("median %v, min %v, max %v", s.Median, s.Min, s.Max)
	}

	r.Add("spread", "", report.Figures{"settled_per_s": 4000})

	if got, measured := r.Median("spread", "settled_per_s"); got != 3500 || !measured {
		t.Errorf("median of four = %g", got)
	}

	if _, measured := r.Median("spread", "placed_per_s"); measured {
		t.Error("a median of what was not measured")
	}
}

func TestPerThousand(t *testing.T) {
	t.Parallel()

	f := report.Figures{}
	f.PerThousand(map[string]float64{"serve_cpu_s": 2}, map[string]float64{"serve_cpu_s": 3, "work_cpu_s": 5}, 2000)

	if f["serve_cpu_s"] != 0.5 || f["work_cpu_s"] != 2.5 {
		t.Errorf("figures = %v", f)
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()

	hundred := make([]time.Duration, 100)
	for n := range hundred {
		hundred[n] = time.Duration(n+1) * time.Millisecond
	}

	for _, c := range []struct {
		sorted []time.Duration
		share  float64
		want   float64
	}{
		{nil, 0.99, 0},
		{hundred[6:7], 0.5, 7},
		{hundred[6:7], 0.999, 7},
		{hundred[:4], 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 0.999, 100},
		{hundred, 1, 100},
	} {
		if got := report.Percentile(c.sorted, c.share); got != c.want {
			t.Errorf("percentile of %d, %g = %g, want %g", len(c.sorted), c.share, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()

	r := report.New("v1", "15", 20_000, 3)
	for _, settled := range []float64{3000, 2900, 3300} {
		r.Add("spread", "the plain one", report.Figures{"settled_per_s": settled, "post_p50_ms": 12, "post_p99_ms": 34})
	}

	r.Evaluate()

	r.LeftOut = "The broker recipe was not measured: it is not there."

	var out bytes.Buffer

	file := filepath.Join(t.TempDir(), "report.json")
	if err := r.Write(&out, file); err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{"orders v1", "of 20,000 orders", "3,000 (2,900–3,300)", "12/34/–", "the plain one", "The broker recipe was not measured: it is not there.\n\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}

	// No ratio is printed to what was not measured in this run.
	for _, absent := range []string{"×", "textbook", "MISSED"} {
		if strings.Contains(out.String(), absent) {
			t.Errorf("there is %q in\n%s", absent, &out)
		}
	}

	var read report.Report

	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}

	if err != nil {
		t.Fatal(err)
	}

	if got, _ := read.Median("spread", "post_p99_ms"); got != 34 || len(read.Scenarios[0].Runs) != 3 {
		t.Errorf("read %+v", read)
	}
}

func TestProgressElsewhereThanOnATerminal(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	p := report.NewProgress(&out)
	p.Updatef("spread 1  placed %d", 12_345)
	p.Printf("spread 1  %.0f settled/s", 2980.4)

	if want := "spread 1  placed 12,345\nspread 1  2,980 settled/s\n"; out.String() != want {
		t.Errorf("progress = %q, want %q", out.String(), want)
	}
}
