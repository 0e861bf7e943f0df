package admission

import (
	"time"

	"orders/db/jobqueue"
)

// Bounds of an estimate.
const (
	minKnown    = 3                // intervals that must be known before their rate is used
	newWeight   = 0.3              // of the newest interval in the rate: it looks back over about six
	maxStill    = 10 * time.Second // without progress; an attempt takes no longer, so the queue stands still
	maxForeseen = time.Hour        // the longest wait that is estimated
)

// A waitEstimator estimates how long work that is enqueued now will wait in one queue: the orders
// whose work waits, divided by the rate at which it is worked off. Both are read from the time from
// which on the queue's head might have run, and from what was enqueued up to that time. So they
// count orders, although jobs differ in weight.
//
// How long the oldest job has waited would tell too late, as it tells about the orders
// that came then: at three times the capacity, it shows a third of the wait to come. It would also
// tell of a job that no worker can do, and such a job is no overload.
type waitEstimator struct {
	read  time.Time // of the last reading
	head  time.Time // the farthest that the head has come
	moved time.Time // the reading at which it came there
	rate  float64   // orders a second, while there was more to do than could be done
	known int       // intervals that the rate comes from
}

// next takes a reading and estimates the wait. It is 0 if that is not known.
func (e *waitEstimator) next(b jobqueue.Backlog, work *arrivals) time.Duration {
	last := e.read
	e.read = b.At

	switch {
	case last.IsZero() || b.Obstacle() != "" || b.Waiting < jobqueue.HeadJobs || b.Head.After(last):
		// All work of the last reading has begun, or none is done. Both say nothing about how much the workers can do. If only
		// a few jobs wait, however old they are, they wait for something else than their turn.
		e.forget(b)
	case b.Head.After(e.head):
		e.learn((work.until(b.Head) - work.until(e.head)) / b.At.Sub(e.moved).Seconds())
		e.head, e.moved = b.Head, b.At
	case b.At.Sub(e.moved) > maxStill:
		e.forget(b) // workers live, and do nothing: that is no overload
	}

	return e.estimate(work)
}

func (e *waitEstimator) forget(b jobqueue.Backlog) {
	*e = waitEstimator{read: b.At, head: b.Head, moved: b.At}
}

func (e *waitEstimator) learn(rate float64) {
	if e.known++; e.known == 1 {
		e.rate = rate
	}

	e.rate += newWeight * (rate - e.rate)
}

func (e *waitEstimator) estimate(work *arrivals) time.Duration {
	if e.known < minKnown || e.rate <= 0 {
		return 0
	}

	seconds := (work.total() - work.until(e.head)) / e.rate

	return time.Duration(min(seconds, maxForeseen.Seconds()) * float64(time.Second))
}
