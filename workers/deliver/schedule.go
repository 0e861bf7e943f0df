package deliver

import (
	"math/rand/v2"
	"time"

	"orders/db/delivery"
)

// schedule is how long an event waits after each attempt that failed. It is the example of Standard Webhooks,
// specification 1.0, with three days in all. After the last one the delivery is given up.
var schedule = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
	20 * time.Hour, 24 * time.Hour,
}

// broughtForward is after how many attempts at most a delivery is tried again as soon as its endpoint is back. They are those of
// the first eight hours. A later one waits for less than the outage lasted anyway. The events that an endpoint never takes do not
// use up their attempts whenever another one arrives: the schedule keeps its last 68 hours.
const broughtForward = 5

const (
	jitter         = 0.1
	longestAfter   = 24 * time.Hour     // of what an endpoint may ask for with Retry-After
	longestFailing = 5 * 24 * time.Hour // without a single success, before the endpoint is disabled
)

// resultOf is what becomes of a delivery after an attempt.
func resultOf(d delivery.Due, a Answer) delivery.Result {
	r := delivery.Result{
		Due: d, State: delivery.Sent, Attempts: d.Attempts + 1, Status: a.Status, Answer: a.Text,
		ProviderID: a.ProviderID,
	}

	switch {
	case a.Arrived:
	case a.Refused || r.Attempts > len(schedule):
		r.State = delivery.Failed
	default:
		r.State = delivery.Waiting
		r.Wait = spread(schedule[r.Attempts-1])
		r.Wait = max(r.Wait, min(a.RetryAfter, longestAfter))
	}

	return r
}

// spread makes a wait longer or shorter by up to a tenth, so that what failed together does not come together again.
func spread(wait time.Duration) time.Duration {
	return time.Duration(float64(wait) * (1 - jitter + 2*jitter*rand.Float64())) //nolint:gosec // no secret
}
