package api

import (
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orders/order"
)

// maxInside is how many requests that change orders are worked on at once: two full
// transactions, one under way and one that fills. More would not make it faster,
// only everybody's answer later: with twice as many, at three times what can be
// done, refusals took 225 ms instead of 85. The price is that a third of a second
// in which Postgres stands still turns some away near capacity.
const maxInside = 512

// A door lets requests in, or turns them away before anything is done for them,
// their bodies unread: that costs a twentieth of placing an order, so that
// refusing many leaves the machine to those inside.
type door struct {
	inside atomic.Int64
	turned atomic.Int64 // away, since the log was told
	told   atomic.Int64 // when that was, in Unix nanoseconds
}

// enter is the middleware of an operation behind the door.
func (s *service) enter(ctx huma.Context, next func(huma.Context)) {
	defer s.door.inside.Add(-1)

	if s.door.inside.Add(1) <= maxInside {
		next(ctx)

		return
	}

	s.tellTurned(ctx)
	turnAway(ctx, order.Errorf(order.Overloaded, "More requests are here than can be served soon; try again after Retry-After."))
}

// admit is the middleware of an operation that makes work.
func (s *service) admit(ctx huma.Context, next func(huma.Context)) {
	if err := s.Pressure.admit(); err != nil {
		turnAway(ctx, err)

		return
	}

	next(ctx)
}

func turnAway(ctx huma.Context, err error) {
	_, w := humago.Unwrap(ctx)
	problemOf(ctx.Context(), err).write(w)
}

// tellTurned tells the log now and then, as a line for each would cost as much as the refusal.
func (s *service) tellTurned(ctx huma.Context) {
	turned, told, now := s.door.turned.Add(1), s.door.told.Load(), time.Now().UnixNano()

	if now-told > int64(time.Second) && s.door.told.CompareAndSwap(told, now) {
		s.door.turned.Add(-turned)
		s.Log.WarnContext(ctx.Context(), "too many requests at once", "turned_away", turned, "at_once", maxInside)
	}
}
