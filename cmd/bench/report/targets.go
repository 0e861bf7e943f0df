package report

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// A target is a lower or an upper bound of a value.
type target struct {
	name  string
	value func(r *Report) (value float64, measured bool)
	least float64
	most  float64
	ratio bool   // of two figures of this run: it holds on any machine, so that --check may fail by it
	unit  string // of the value; empty for a ratio
}

// A Result is the comparison of a value with its target.
type Result struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Bound  string  `json:"bound"`
	OK     bool    `json:"ok"`
	Failed bool    `json:"failed"` // a ratio below half of its target
}

var targets = []target{
	{name: "settled, to textbook River", value: ratio("spread", "textbook"), least: 20, ratio: true},
	{name: "settled, to the broker recipe", value: ratio("spread", "broker"), least: 5, ratio: true},
	{name: "hot, to the broker recipe's hot", value: ratio("hot", "broker hot"), least: 8, ratio: true},
	{name: "settled, to the queue's ceiling", value: ratio("spread", "ceiling"), least: 0.60, ratio: true},
	{name: "hot, to spread", value: ratio("hot", "spread"), least: 0.80, ratio: true},
	{name: "backlog, to the run without before it", value: figure("backlog", "to_plain"), least: 0.90, ratio: true},
	{name: "history, to the run without before it", value: figure("history", "to_plain"), least: 0.90, ratio: true},
	{name: "2 processes, to spread", value: ratio("2 processes", "spread"), least: 0.90, ratio: true},
	{name: "4 processes, to spread", value: ratio("4 processes", "spread"), least: 0.90, ratio: true},
	{
		name:  "4 processes: Postgres' CPU an order, to spread",
		value: quotient("4 processes", "postgres_cpu_s", "spread", "postgres_cpu_s"), most: 1.2, unit: "×",
	},
	{name: "distant, to spread", value: ratio("distant", "spread"), least: 0.80, ratio: true},
	{name: "spread: WAL of an order", value: figure("spread", "wal_kb_per_order"), most: 4.5, unit: "kB"},
	{name: "latency: POST p99 above a bare commit's", value: figure("latency", "post_p99_above_commit_ms"), most: 15, unit: "ms"},
	{name: "latency: placed to settled p99", value: figure("latency", "settle_p99_ms"), most: 150, unit: "ms"},
	{
		name:  "overload: accepted, to capacity",
		value: quotient("overload", "placed_per_s", "spread", "settled_per_s"), least: 0.9, ratio: true,
	},
	{name: "overload: refused p99", value: figure("overload", "refused_p99_ms"), most: 100, unit: "ms"},
	{name: "killed: a killed worker's orders, until done", value: figure("killed", "taken_over_s"), most: 5, unit: "s"},
	{name: "webhooks: settled beside four bad ones, to none", value: ratio("webhooks bad", "webhooks none"), least: 0.9, ratio: true},
	{name: "webhooks: settled beside a healthy one, to none", value: ratio("webhooks healthy", "webhooks none"), least: 0.5, ratio: true},
	{name: "webhooks outage: until the backlog arrived, to it", value: figure("webhooks outage", "drain_to_outage"), most: 2, unit: "×"},
	{name: "soak: rows of river_job, at most", value: soakRows, most: 100_000, unit: "rows"},
	{name: "soak: river_job's size, last third to middle", value: soakGrowth, most: 1.5, unit: "×"},
	{name: "memory of serve, most of all runs", value: largestOfRuns("serve_rss_peak_mib"), most: 200, unit: "MiB"},
	{name: "memory of work, most of all runs", value: largestOfRuns("work_rss_peak_mib"), most: 200, unit: "MiB"},
	{name: "deadlocks of all runs", value: largestOfRuns("deadlocks"), most: 0},
}

// Evaluate compares the medians with the targets.
func (r *Report) Evaluate() {
	for _, t := range targets {
		value, measured := t.value(r)
		if !measured {
			continue
		}

		result := Result{Name: t.name, Value: value}

		if t.least > 0 {
			result.Bound = fmt.Sprintf("≥ %.4g%s", t.least, cmp.Or(t.unit, "×"))
			result.OK = value >= t.least
			result.Failed = t.ratio && value < t.least/2
		} else {
			result.Bound = fmt.Sprintf("≤ %.6g %s", t.most, t.unit)
			result.OK = value <= t.most
		}

		r.Targets = append(r.Targets, result)
	}
}

// Check fails if a ratio is below half of its target, which is more than noise.
func (r *Report) Check() error {
	var failed []error

	for _, result := range r.Targets {
		if result.Failed {
			failed = append(failed, fmt.Errorf("%s: %.2f is below half of its target, %s", result.Name, result.Value, result.Bound))
		}
	}

	return errors.Join(failed...)
}

func figure(scenario, name string) func(*Report) (float64, bool) {
	return func(r *Report) (float64, bool) { return r.Median(scenario, name) }
}

// quotient divides two figures of this run.
func quotient(scenario, name, base, baseName string) func(*Report) (float64, bool) {
	return func(r *Report) (float64, bool) {
		value, measured := r.Median(scenario, name)
		divisor, baseMeasured := r.Median(base, baseName)

		return value / divisor, measured && baseMeasured && divisor > 0
	}
}

func ratio(scenario, base string) func(*Report) (float64, bool) {
	return quotient(scenario, "settled_per_s", base, "settled_per_s")
}

// baselines are not our service.
var baselines = []string{"textbook", "broker", "broker hot"}

// largestOfRuns looks at all runs but those of the baselines.
func largestOfRuns(name string) func(*Report) (float64, bool) {
	return func(r *Report) (float64, bool) {
		largest := math.Inf(-1)

		for _, s := range r.Scenarios {
			if value, measured := s.Max[name]; measured && !slices.Contains(baselines, s.Name) {
				largest = max(largest, value)
			}
		}

		return largest, !math.IsInf(largest, -1)
	}
}

// soakRows is the most rows that river_job had in the soak.
func soakRows(r *Report) (rows float64, measured bool) {
	for _, s := range r.Soak {
		rows = max(rows, float64(s.Jobs))
	}

	return rows, len(r.Soak) > 0
}

// soakGrowth compares the largest size of river_job in the last third of the
// soak with the largest in the middle third.
func soakGrowth(r *Report) (times float64, measured bool) {
	third := len(r.Soak) / 3
	if third == 0 {
		return 0, false
	}

	bySize := func(a, b Sample) int { return cmp.Compare(a.Size, b.Size) }
	middle, last := slices.MaxFunc(r.Soak[third:2*third], bySize), slices.MaxFunc(r.Soak[2*third:], bySize)

	return float64(last.Size) / float64(middle.Size), true
}
