package main

import (
	"bytes"
	"strings"
	"testing"
)

// measuredReport is one of a machine that is fast enough, but not over a backlog.
func measuredReport() *report {
	r := &report{Orders: 20_000, Repeat: 1}

	for name, settled := range map[string]float64{"textbook": 300, "ceiling": 5000, "spread": 3300, "hot": 2900} {
		r.add(scenario{name: name, textbook: name == "textbook"}, figures{"settled_per_s": settled, "deadlocks": 0})
	}

	r.add(scenario{name: "backlog"}, figures{"settled_per_s": 1300, "to_plain": 0.39})

	return r
}

func verdictOf(t *testing.T, r *report, name string) verdict {
	t.Helper()

	for _, v := range r.Targets {
		if v.Name == name {
			return v
		}
	}

	t.Fatalf("no verdict on %q: %+v", name, r.Targets)

	return verdict{}
}

func TestJudge(t *testing.T) {
	t.Parallel()

	r := measuredReport()
	r.judge()

	if v := verdictOf(t, r, "settled, to textbook River"); !v.OK || v.Failed || v.Value != 11 {
		t.Errorf("verdict = %+v", v)
	}

	// Missed, and by more than noise.
	if v := verdictOf(t, r, "backlog, to the run without before it"); v.OK || !v.Failed {
		t.Errorf("verdict = %+v", v)
	}

	if err := r.failed(); err == nil || !strings.Contains(err.Error(), "backlog") {
		t.Errorf("check = %v", err)
	}

	for _, v := range r.Targets {
		if strings.Contains(v.Name, "history") {
			t.Errorf("a verdict on what was not measured: %+v", v)
		}
	}
}

func TestCheckAllowsNoise(t *testing.T) {
	t.Parallel()

	r := &report{}
	r.add(scenario{name: "textbook"}, figures{"settled_per_s": 300})
	r.add(scenario{name: "spread"}, figures{"settled_per_s": 1500}) // 5×: missed, but not by half
	r.judge()

	if v := verdictOf(t, r, "settled, to textbook River"); v.OK || v.Failed {
		t.Errorf("verdict = %+v", v)
	}

	// Far from the broker recipe's figure, which is another machine's and fails no check.
	if v := verdictOf(t, r, "settled, to the broker recipe's 660/s (reference)"); v.OK || v.Failed {
		t.Errorf("verdict = %+v", v)
	}

	if err := r.failed(); err != nil {
		t.Errorf("check = %v", err)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()

	r := &report{Repeat: 3}
	for _, settled := range []float64{3000, 2900, 3300} {
		r.add(scenario{name: "spread", what: "the plain one"}, figures{"settled_per_s": settled, "post_p50_ms": 12, "post_p99_ms": 34})
	}

	r.judge()

	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{"3000 (2900–3300)", "12/34/–", "the plain one", "≥ 5×", "MISSED"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()

	sizes := func(all ...int64) (samples []sample) {
		for _, size := range all {
			samples = append(samples, sample{Size: size})
		}

		return samples
	}

	if times, measured := bounded(sizes(10, 90, 100, 100, 90, 120)); !measured || times != 1.2 {
		t.Errorf("bounded = %g, %t", times, measured)
	}

	if _, measured := bounded(sizes(1, 2)); measured {
		t.Error("two samples say nothing")
	}
}
