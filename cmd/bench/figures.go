package main

import (
	"math"
	"slices"
	"time"
)

// Figures are what one run gave, by name; one that does not apply is missing.
type figures map[string]float64

// A summary is the figures of a scenario's runs.
type summary struct {
	Name   string    `json:"name"`
	What   string    `json:"what"`
	Runs   []figures `json:"runs"`
	Median figures   `json:"median"`
	Min    figures   `json:"min"`
	Max    figures   `json:"max"`

	baseline bool
}

func (s *summary) add(f figures) {
	s.Runs = append(s.Runs, f)
	s.Median, s.Min, s.Max = figures{}, figures{}, figures{}

	for name := range f {
		var all []float64

		for _, run := range s.Runs {
			if value, there := run[name]; there {
				all = append(all, value)
			}
		}

		slices.Sort(all)
		s.Median[name], s.Min[name], s.Max[name] = median(all), all[0], all[len(all)-1]
	}
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}

	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// percentile is the smallest of the durations that at least that share of them
// does not exceed: nothing is made up between two that were seen.
func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}

	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// perSecond is a rate; 0 when no time has passed.
func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}

	return float64(n) / d.Seconds()
}
