// Package report collects the figures of all runs, compares their medians with
// the targets, and prints them as a table or as JSON.
package report

import (
	"math"
	"slices"
	"time"
)

// Figures are the results of one run by name. A figure that does not apply is missing.
type Figures map[string]float64

// PerThousand adds the difference of two readings, divided by thousands of orders.
func (f Figures) PerThousand(before, after map[string]float64, orders int) {
	for name, value := range after {
		f[name] = (value - before[name]) * 1000 / float64(max(orders, 1))
	}
}

// A Summary holds the figures of a scenario's runs.
type Summary struct {
	Name        string    `json:"name"`
	Description string    `json:"what"`
	Runs        []Figures `json:"runs"`
	Median      Figures   `json:"median"`
	Min         Figures   `json:"min"`
	Max         Figures   `json:"max"`
}

func (s *Summary) add(f Figures) {
	s.Runs = append(s.Runs, f)
	s.Median, s.Min, s.Max = Figures{}, Figures{}, Figures{}

	for name := range f {
		var values []float64

		for _, run := range s.Runs {
			if value, ok := run[name]; ok {
				values = append(values, value)
			}
		}

		slices.Sort(values)
		s.Median[name], s.Min[name], s.Max[name] = median(values), values[0], values[len(values)-1]
	}
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Percentile returns, in milliseconds, the smallest duration that at least this
// share of the durations does not exceed. It does not interpolate.
func Percentile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}

	rank := int(math.Ceil(share * float64(len(sorted))))

	return float64(sorted[max(rank-1, 0)]) / float64(time.Millisecond)
}
