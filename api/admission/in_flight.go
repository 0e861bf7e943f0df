package admission

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orders/api/problem"
	"orders/order"
)

// MaxInFlight is how many requests that change orders a process handles at once. It is
// two full transactions: one that runs and one that fills. More requests would not raise
// the throughput, and would delay every response. With twice as many, under a load of
// three times the capacity, refusals took 225 ms instead of 85 ms. The price: near
// capacity, if Postgres stalls for a third of a second, some requests are refused.
const MaxInFlight = 512

// An InFlight limits the requests in flight to [MaxInFlight]. It refuses other requests
// before it reads their bodies. A refusal costs a twentieth of placing an order, so the
// machine has time for the accepted requests even if many are refused.
type InFlight struct {
	log     *slog.Logger
	now     atomic.Int64
	refused atomic.Int64 // since the last log line
	logged  atomic.Int64 // the time of the last log line, in Unix nanoseconds
}

// NewInFlight makes a limit. All operations that use it as a middleware share it.
func NewInFlight(log *slog.Logger) *InFlight { return &InFlight{log: log} }

// Limit is the middleware of an operation that changes orders.
func (l *InFlight) Limit(ctx huma.Context, next func(huma.Context)) {
	defer l.now.Add(-1)

	if l.now.Add(1) <= MaxInFlight {
		next(ctx)

		return
	}

	l.logRefusal(ctx)
	refuse(ctx, order.Errorf(order.Overloaded, "Too many requests are being worked on; try again after Retry-After."))
}

// logRefusal logs at most once a second: a line for each refusal would cost as much as
// the refusal.
func (l *InFlight) logRefusal(ctx huma.Context) {
	refused, logged, now := l.refused.Add(1), l.logged.Load(), time.Now().UnixNano()

	if now-logged > int64(time.Second) && l.logged.CompareAndSwap(logged, now) {
		l.refused.Add(-refused)
		l.log.WarnContext(ctx.Context(), "too many requests at once", "refused", refused, "at_once", MaxInFlight)
	}
}

func refuse(ctx huma.Context, err error) {
	_, w := humago.Unwrap(ctx)
	problem.Of(ctx.Context(), err).Write(w)
}
