package api

import (
	"time"

	"orders/db"
)

// Bounds of a projection.
const (
	trusted   = 3           // intervals that have to be known of before a rate is one
	standing  = 2           // intervals without a move after which a queue stands still
	weight    = 0.3         // of the newest interval in the rate: it looks back over about six
	farthest  = time.Hour   // what is projected at most
	sampled   = time.Second // between readings
	forgetful = 5           // readings that may fail in a row until nothing is known
)

// A pace projects how long work that is enqueued now will wait in one queue: its
// depth by the rate at which it is worked off, both in ids of jobs. How long the
// oldest job has waited would say it too late, as it tells of the orders that
// came then: at three times what can be done, it shows a third of what is coming.
type pace struct {
	last  db.Backlog
	rate  float64 // ids a second, while there was more to do than could be done
	known int     // intervals that the rate comes from
	still int     // intervals in a row in which the head has not moved
	wait  time.Duration
}

// next takes a reading and projects the wait.
func (p *pace) next(b db.Backlog) time.Duration {
	last := p.last
	b.Last = max(b.Last, last.Last) // the newest job may be gone already
	p.last = b
	moved, took := b.Head-last.Head, b.At.Sub(last.At)

	switch {
	case last.At.IsZero():
	case b.Head > last.Last:
		// All that was there at the last reading is under way: workers wait for work, and how much of it
		// there was says nothing about how much they can do.
		*p = pace{last: b}

		// But for the oldest, if it has been the same: few others came, and nobody works.
		if last.Waited > 0 && b.Waited > last.Waited {
			p.wait = b.Waited
		}
	case moved <= 0:
		// One reading alone may have met a worker at a pause, or old jobs that are back.
		if p.still++; p.still >= standing {
			p.wait = max(b.Waited, p.project())
		}
	case p.still > 0:
		p.still = 0 // it went on somewhere in the interval, which is no measure of the rate
	default:
		p.learn(float64(moved) / took.Seconds())
		p.wait = p.project()
	}

	return p.wait
}

func (p *pace) learn(rate float64) {
	if p.known++; p.known == 1 {
		p.rate = rate
	}

	p.rate += weight * (rate - p.rate)
}

// project is depth by rate, or how long the oldest job has waited while no rate is known.
func (p *pace) project() time.Duration {
	if p.known < trusted {
		return p.last.Waited
	}

	seconds := float64(p.last.Last+1-p.last.Head) / p.rate

	return time.Duration(min(seconds, farthest.Seconds()) * float64(time.Second))
}
