package admission

import (
	"time"

	"orders/db/jobqueue"
)

// WaitEstimator and RefusedShare are what a Controller decides by, for tests to try without waiting.
type WaitEstimator = waitEstimator

// Next is next.
func (e *waitEstimator) Next(b jobqueue.Backlog) time.Duration { return e.next(b) }

// RefusedShare is refusedShare.
func RefusedShare(wait, maxWait time.Duration) float64 { return refusedShare(wait, maxWait) }
