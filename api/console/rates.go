package console

import (
	"context"
	"time"

	"orders/db"
	"orders/db/gauge"
	"orders/db/stats"
	"orders/jobs"
)

// A span is a time that ends with the last minute that is counted to the end.
type span struct {
	Name   string
	Length time.Duration
	Counts stats.Counts
	ByStep map[string]stats.Latency
}

// Minute is a count of the span as a rate.
func (s span) Minute(count int64) float64 { return float64(count) / s.Length.Minutes() }

// rates are what was done in each span.
type rates struct {
	Final time.Time // zero if nothing is counted yet
	Spans []span    // now, hour, day
}

func readRates(ctx context.Context, q db.Querier) (r rates, err error) {
	if r.Final, err = stats.Final(ctx, q); err != nil || r.Final.IsZero() {
		return r, err
	}

	for _, s := range []span{{Name: "5 minutes", Length: 5 * time.Minute}, {Name: "hour", Length: time.Hour}, {Name: "day", Length: day}} {
		counts, err := stats.Minutes(ctx, q, r.Final.Add(-s.Length), r.Final, s.Length)
		if err != nil {
			return r, err
		}

		for _, c := range counts {
			s.Counts = c
		}

		latencies, err := stats.Latencies(ctx, q, r.Final.Add(-s.Length), r.Final)
		if err != nil {
			return r, err
		}

		s.ByStep = map[string]stats.Latency{}
		for _, l := range latencies {
			s.ByStep[l.Step] = l
		}

		r.Spans = append(r.Spans, s)
	}

	return r, nil
}

// A latencyRow is how long a step, or all of an order, has taken in each span.
type latencyRow struct {
	Name  string
	Spans []stats.Latency
}

func latencyRows(spans []span) (rows []latencyRow) {
	for _, step := range append([]string{stats.Settle}, jobs.StepQueues()...) {
		row := latencyRow{Name: step}
		for _, s := range spans {
			row.Spans = append(row.Spans, s.ByStep[step])
		}

		rows = append(rows, row)
	}

	return rows
}

// A queueRow is a queue with its depth and its rates.
type queueRow struct {
	gauge.Queue

	Age      time.Duration // of its oldest job
	Step     bool          // orders have work in it, and their rate is known
	In       float64       // orders a minute that came in the last minutes
	Out      float64       // orders a minute whose work was done then
	OutHour  float64
	Trend    string // growing, shrinking or steady; empty if that is not known
	Orders   int64  // whose work waits or is retried
	Estimate bool
}

// Paused tells whether an operator has paused the queue.
func (r queueRow) Paused() bool { return r.Queue.Paused != nil }

// trendShare is from which part of the rate on a difference counts.
const trendShare = 0.05

func queueRows(queues []gauge.Queue, at time.Time, flow rates) (rows []queueRow) {
	steps := map[string]bool{}
	for _, name := range jobs.StepQueues() {
		steps[name] = true
	}

	for _, q := range queues {
		row := queueRow{
			Queue: q, Age: q.Age(at), Step: steps[q.Name],
			Orders: q.Waiting.Orders + q.Retrying.Orders, Estimate: q.Waiting.Estimated || q.Retrying.Estimated,
		}

		if row.Step && len(flow.Spans) > 0 {
			now, hour := flow.Spans[0], flow.Spans[1]
			row.In, row.Out = now.Minute(now.Counts.Placed), now.Minute(now.ByStep[q.Name].Orders)
			row.OutHour = hour.Minute(hour.ByStep[q.Name].Orders)
			row.Trend = row.trend()
		}

		rows = append(rows, row)
	}

	return rows
}

// trend compares what came with what was done.
func (r queueRow) trend() string {
	switch margin := trendShare * max(r.In, r.Out); {
	case r.In > r.Out+margin:
		return "growing"
	case r.Out > r.In+margin && r.Orders > 0:
		return "shrinking"
	default:
		return "steady"
	}
}
