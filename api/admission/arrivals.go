package admission

import (
	"slices"
	"time"

	"orders/db/jobqueue"
)

// arrivals are the work that was enqueued, in orders and over all queues. They are sampled, so their
// totals are estimates.
type arrivals struct {
	from    time.Time          // nothing is known before
	last    int64              // the newest job that is counted
	list    []jobqueue.Arrival // by time
	dropped float64            // orders that have left the list, up to from
}

// add counts newer work. Transactions do not commit in the order of their jobs' times.
func (a *arrivals) add(newer []jobqueue.Arrival) {
	a.list = append(a.list, newer...)
	slices.SortStableFunc(a.list, func(a, b jobqueue.Arrival) int { return a.At.Compare(b.At) })
}

// total is all work that was enqueued.
func (a *arrivals) total() float64 {
	total := a.dropped
	for _, n := range a.list {
		total += n.Orders
	}

	return total
}

// until is the work that was enqueued up to a moment. An arrival may stand for several jobs, which
// came since the one before it.
func (a *arrivals) until(at time.Time) float64 {
	total, since := a.dropped, a.from

	for _, n := range a.list {
		if n.At.After(at) {
			passed := max(0, at.Sub(since).Seconds())

			return total + n.Orders*passed/n.At.Sub(since).Seconds()
		}

		total, since = total+n.Orders, n.At
	}

	return total
}

// forget leaves out what was enqueued before a moment, except its total.
func (a *arrivals) forget(before time.Time) {
	n := 0
	for n < len(a.list) && a.list[n].At.Before(before) {
		a.dropped += a.list[n].Orders
		n++
	}

	if n > 0 {
		a.list = append(a.list[:0:0], a.list[n:]...)
		a.from = before
	}
}
