package admission

import (
	"time"

	"orders/db/jobqueue"
)

// Bounds of an estimate.
const (
	minKnown    = 3         // intervals that must be known before their rate is used
	minStill    = 2         // intervals without progress after which a queue stands still
	newWeight   = 0.3       // of the newest interval in the rate: it looks back over about six
	maxForeseen = time.Hour // the longest wait that is estimated
)

// A waitEstimator estimates how long work that is enqueued now will wait in one queue:
// the queue's depth divided by the rate at which it is worked off, both in ids of jobs.
// How long the oldest job has waited would tell too late, as it tells about the orders
// that came then: at three times the capacity, it shows a third of the wait to come.
type waitEstimator struct {
	last  jobqueue.Backlog
	rate  float64 // ids a second, while there was more to do than could be done
	known int     // intervals that the rate comes from
	still int     // intervals in a row in which the head has not moved
	wait  time.Duration
}

// next takes a reading and estimates the wait.
func (e *waitEstimator) next(b jobqueue.Backlog) time.Duration {
	last := e.last
	b.Last = max(b.Last, last.Last) // the newest job may already be gone
	e.last = b
	moved, took := b.Head-last.Head, b.At.Sub(last.At)

	switch {
	case last.At.IsZero():
	case b.Head > last.Last:
		// All jobs of the last reading have begun: workers wait for work. How many jobs there were says nothing
		// about how many the workers can do.
		*e = waitEstimator{last: b}

		// The oldest job may be the same as before: few others came, and no worker works.
		if last.Waited > 0 && b.Waited > last.Waited {
			e.wait = b.Waited
		}
	case moved <= 0:
		// One such reading may be a worker's pause, or old jobs that are retried.
		if e.still++; e.still >= minStill {
			e.wait = max(b.Waited, e.estimate())
		}
	case e.still > 0:
		e.still = 0 // work went on somewhere in the interval, so that the interval does not measure the rate
	default:
		e.learn(float64(moved) / took.Seconds())
		e.wait = e.estimate()
	}

	return e.wait
}

func (e *waitEstimator) learn(rate float64) {
	if e.known++; e.known == 1 {
		e.rate = rate
	}

	e.rate += newWeight * (rate - e.rate)
}

// estimate is depth by rate, or how long the oldest job has waited while no rate is known.
func (e *waitEstimator) estimate() time.Duration {
	if e.known < minKnown {
		return e.last.Waited
	}

	seconds := float64(e.last.Last+1-e.last.Head) / e.rate

	return time.Duration(min(seconds, maxForeseen.Seconds()) * float64(time.Second))
}
