// Package stats counts what happened in each minute: orders that were placed, settled and
// ended, how long their steps took, and what was refused. Charts and reports of yesterday
// read these counts, and no table that grows.
//
// [Update] counts after the fact. It reads the orders of a minute by their ids, which sort by
// time, and the ledgers' rows by the BRIN indexes of their times. So placing and the steps pay
// nothing. Counting a minute again gives the same counts, and replaces the ones before.
//
// Refusals leave no row of their own. Each serve process counts them in a [Refusals].
package stats

import (
	"slices"
	"time"
)

// Retention is how long the counts are kept.
const Retention = 35 * 24 * time.Hour

// Settle is the name of the histogram of whole orders: all steps are done, or the order was
// rejected. Held orders are left out, because they wait for their payment.
const Settle = "settle"

// bounds divide latencies into buckets; the last bucket has no upper bound. The histograms
// in the database have them by position: append bounds, and never change one.
var bounds = []time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 15 * time.Millisecond, 20 * time.Millisecond,
	30 * time.Millisecond, 40 * time.Millisecond, 50 * time.Millisecond, 75 * time.Millisecond,
	100 * time.Millisecond, 150 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond,
	400 * time.Millisecond, 500 * time.Millisecond, 750 * time.Millisecond,
	time.Second, 1500 * time.Millisecond, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second,
	7500 * time.Millisecond, 10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
}

// Bounds are the bounds of the histograms' buckets.
func Bounds() []time.Duration { return slices.Clone(bounds) }

// boundsMS are the bounds for SQL, in milliseconds.
func boundsMS() []float64 {
	ms := make([]float64, len(bounds))
	for i, b := range bounds {
		ms[i] = float64(b) / float64(time.Millisecond)
	}

	return ms
}
