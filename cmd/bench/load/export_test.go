package load

import (
	"math/rand/v2"
	"time"

	"orders/order"
)

// PlaceOne places one order that was due at a time, and returns its latency.
func (l *Load) PlaceOne(due time.Time) (time.Duration, error) {
	s := &sending{Load: l, result: Result{Statuses: map[order.Status]int{}}}
	if err := s.place(l.Next(rand.New(rand.NewPCG(1, 1))), 0, due); err != nil {
		return 0, err
	}

	return s.result.Latencies[0], nil
}
