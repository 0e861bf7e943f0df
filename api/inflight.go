package api

import (
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orders/order"
)

// maxInFlight is how many requests that change orders are worked on at once: two full
// transactions, one under way and one that fills. More would not make it faster,
// only everybody's answer later: with twice as many, at three times what can be
// done, refusals took 225 ms instead of 85. The price is that a third of a second
// in which Postgres stands still turns some away near capacity.
const maxInFlight = 512

// inFlight counts the requests that are worked on. More than maxInFlight are shed
// before anything is done for them, their bodies unread: that costs a twentieth of
// placing an order, so that refusing many leaves the machine to the others.
type inFlight struct {
	now    atomic.Int64
	shed   atomic.Int64 // since the log was told
	logged atomic.Int64 // when that was, in Unix nanoseconds
}

// limitInFlight is the middleware of an operation that changes orders.
func (s *service) limitInFlight(ctx huma.Context, next func(huma.Context)) {
	defer s.inFlight.now.Add(-1)

	if s.inFlight.now.Add(1) <= maxInFlight {
		next(ctx)

		return
	}

	s.logShed(ctx)
	shed(ctx, order.Errorf(order.Overloaded, "More requests are here than can be served soon; try again after Retry-After."))
}

// limitBacklog is the middleware of an operation that makes work.
func (s *service) limitBacklog(ctx huma.Context, next func(huma.Context)) {
	if err := s.Pressure.admit(); err != nil {
		shed(ctx, err)

		return
	}

	next(ctx)
}

func shed(ctx huma.Context, err error) {
	_, w := humago.Unwrap(ctx)
	problemOf(ctx.Context(), err).write(w)
}

// logShed tells the log now and then, as a line for each would cost as much as the refusal.
func (s *service) logShed(ctx huma.Context) {
	shed, logged, now := s.inFlight.shed.Add(1), s.inFlight.logged.Load(), time.Now().UnixNano()

	if now-logged > int64(time.Second) && s.inFlight.logged.CompareAndSwap(logged, now) {
		s.inFlight.shed.Add(-shed)
		s.Log.WarnContext(ctx.Context(), "too many requests at once", "refused", shed, "at_once", maxInFlight)
	}
}
