package main

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	t.Parallel()

	hundred := make([]time.Duration, 100)
	for n := range hundred {
		hundred[n] = time.Duration(n + 1)
	}

	for _, c := range []struct {
		sorted []time.Duration
		share  float64
		want   time.Duration
	}{
		{nil, 0.99, 0},
		{[]time.Duration{7}, 0.5, 7},
		{[]time.Duration{7}, 0.999, 7},
		{[]time.Duration{1, 2, 3, 4}, 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 0.999, 100},
		{hundred, 1, 100},
	} {
		if got := percentile(c.sorted, c.share); got != c.want {
			t.Errorf("percentile of %d, %g = %d, want %d", len(c.sorted), c.share, got, c.want)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()

	var s summary

	for _, settled := range []float64{3000, 2000, 9000} {
		s.add(figures{"settled_per_s": settled})
	}

	if s.Median["settled_per_s"] != 3000 || s.Min["settled_per_s"] != 2000 || s.Max["settled_per_s"] != 9000 {
		t.Errorf("median %v, min %v, max %v", s.Median, s.Min, s.Max)
	}

	s.add(figures{"settled_per_s": 4000})

	if s.Median["settled_per_s"] != 3500 {
		t.Errorf("median of four = %v", s.Median)
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()

	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 23100: "23,100", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}
