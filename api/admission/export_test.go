package admission

import (
	"context"
	"log/slog"
	"time"

	"orders/db/jobqueue"
	"orders/order"
)

// WaitEstimator, Arrivals and Refusals are what a Controller is made of, for tests to try without waiting.
type (
	WaitEstimator = waitEstimator
	Arrivals      = arrivals
	Refusals      = refusals
)

// The times of the log lines of refusals.
const (
	QuietFor = quietFor
	LogEvery = logEvery
)

// Next is next.
func (e *waitEstimator) Next(b jobqueue.Backlog, work *Arrivals) time.Duration {
	return e.next(b, work)
}

// Rate is the rate that is known.
func (e *waitEstimator) Rate() float64 { return e.rate }

// Add is add.
func (a *arrivals) Add(newer ...jobqueue.Arrival) { a.add(newer) }

// Until is until.
func (a *arrivals) Until(at time.Time) float64 { return a.until(at) }

// Forget is forget.
func (a *arrivals) Forget(before time.Time) { a.forget(before) }

// RefusedShare is refusedShare.
func RefusedShare(wait, maxWait time.Duration) float64 { return refusedShare(wait, maxWait) }

// RoomFor is roomFor.
func RoomFor(arriving, rate, refusing, room float64) float64 {
	return roomFor(arriving, rate, refusing, room)
}

// Note is note, and begin when refusals begin.
func (r *refusals) Note(ctx context.Context, details ...any) {
	if r.note() {
		r.begin(ctx, details...)
	}
}

// NewRefusals makes refusals of a cause.
func NewRefusals(log *slog.Logger, cause order.Code) *Refusals {
	return &refusals{log: log, cause: cause}
}

// CountWith sets the count of refusals.
func (r *refusals) CountWith(count Count) { r.count = count }
