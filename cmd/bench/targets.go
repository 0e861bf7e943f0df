package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
)

// What the broker recipe (outbox, relay, durable RabbitMQ queue, 32 consumers,
// the same schema, over HTTP) settles a second on two cores of this kind. It is
// not measured here: constants, for comparison.
const (
	brokerSpread = 660
	brokerHot    = 360
)

// A target is what a figure should be at least, or at most.
type target struct {
	name  string
	value func(r *report) (float64, bool) // false when what it needs was not measured
	least float64
	most  float64
	ratio bool   // of two figures of this run: it holds for any machine, so that a check may fail by it
	unit  string // of the value; empty for a ratio
}

// A verdict is what came of a target.
type verdict struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Bound  string  `json:"bound"`
	OK     bool    `json:"ok"`
	Failed bool    `json:"failed"` // of a check: below half of its target
}

var targets = []target{
	{name: "settled, to textbook River", value: ratio("spread", "textbook"), least: 8, ratio: true},
	{name: "settled, to the queue's ceiling", value: ratio("spread", "ceiling"), least: 0.60, ratio: true},
	{name: "settled, to the broker recipe's 660/s (reference)", value: perReference("spread", brokerSpread), least: 5},
	{name: "hot, to the broker recipe's 360/s (reference)", value: perReference("hot", brokerHot), least: 8},
	{name: "hot, to spread", value: ratio("hot", "spread"), least: 0.80, ratio: true},
	{name: "backlog, to the run without before it", value: figureOf("backlog", "to_plain"), least: 0.80, ratio: true},
	{name: "history, to the run without before it", value: figureOf("history", "to_plain"), least: 0.90, ratio: true},
	{name: "2 processes, to spread", value: ratio("2 processes", "spread"), least: 0.90, ratio: true},
	{name: "4 processes, to spread", value: ratio("4 processes", "spread"), least: 0.90, ratio: true},
	{name: "latency: POST p99 above a bare commit's", value: aboveCommit, most: 25, unit: "ms"},
	{name: "latency: placed to settled p99", value: figureOf("latency", "settle_p99_ms"), most: 300, unit: "ms"},
	{name: "overload: refused p99", value: figureOf("overload", "refused_p99_ms"), most: 100, unit: "ms"},
	{name: "soak: river_job's size, last third to middle", value: soakGrowth, most: soakGrows, unit: "×"},
	{name: "memory of serve, most of all runs", value: worst("serve_rss_peak_mib"), most: 200, unit: "MiB"},
	{name: "memory of work, most of all runs", value: worst("work_rss_peak_mib"), most: 200, unit: "MiB"},
	{name: "deadlocks of all runs", value: worst("deadlocks"), most: 0},
}

// judge compares the medians with the targets.
func (r *report) judge() {
	for _, t := range targets {
		value, measured := t.value(r)
		if !measured {
			continue
		}

		v := verdict{Name: t.name, Value: value}

		if t.least > 0 {
			v.Bound = fmt.Sprintf("≥ %.4g%s", t.least, cmp.Or(t.unit, "×"))
			v.OK = value >= t.least
			v.Failed = t.ratio && value < t.least/2
		} else {
			v.Bound = fmt.Sprintf("≤ %.4g %s", t.most, t.unit)
			v.OK = value <= t.most
		}

		r.Targets = append(r.Targets, v)
	}
}

// failed is the error of a check: half of a target is what noise does not take.
func (r *report) failed() error {
	var failed []error

	for _, v := range r.Targets {
		if v.Failed {
			failed = append(failed, fmt.Errorf("%s: %.2f is below half of its target, %s", v.Name, v.Value, v.Bound))
		}
	}

	return errors.Join(failed...)
}

func figureOf(scenario, figure string) func(*report) (float64, bool) {
	return func(r *report) (float64, bool) {
		value, measured := r.median(scenario, figure)

		return value, measured
	}
}

func ratio(scenario, to string) func(*report) (float64, bool) {
	return func(r *report) (float64, bool) {
		value, measured := r.median(scenario, "settled_per_s")
		base, baseMeasured := r.median(to, "settled_per_s")

		return value / base, measured && baseMeasured && base > 0
	}
}

func perReference(scenario string, reference float64) func(*report) (float64, bool) {
	return func(r *report) (float64, bool) {
		value, measured := r.median(scenario, "settled_per_s")

		return value / reference, measured
	}
}

func aboveCommit(r *report) (float64, bool) {
	post, measured := r.median("latency", "post_p99_ms")
	commit, commitMeasured := r.median("latency", "commit_p99_ms")

	return post - commit, measured && commitMeasured
}

func soakGrowth(r *report) (float64, bool) { return bounded(r.Soak) }

// worst is the largest of all runs of the service itself.
func worst(figure string) func(*report) (float64, bool) {
	return func(r *report) (float64, bool) {
		largest, measured := math.Inf(-1), false

		for _, s := range r.Scenarios {
			if value, there := s.Max[figure]; there && !s.baseline {
				largest, measured = max(largest, value), true
			}
		}

		return largest, measured
	}
}
