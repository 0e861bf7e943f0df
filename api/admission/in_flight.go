package admission

import (
	"log/slog"
	"sync/atomic"

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

// An InFlight limits the requests in flight to [MaxInFlight]. A request counts once its
// body is there: a client that sends slowly takes no place from others. A refusal costs a
// twentieth of placing an order, so the machine has time for the accepted requests even if
// many are refused.
type InFlight struct {
	now     atomic.Int64
	refused refusals
}

// NewInFlight makes a limit. All operations that use it as a middleware share it.
func NewInFlight(log *slog.Logger, count Count) *InFlight {
	return &InFlight{refused: refusals{log: log, cause: order.InFlightLimit, count: count}}
}

// Limit is the middleware of an operation that changes orders.
func (l *InFlight) Limit(ctx huma.Context, next func(huma.Context)) {
	defer l.now.Add(-1)

	if l.now.Add(1) <= MaxInFlight {
		next(ctx)

		return
	}

	if l.refused.note() {
		l.refused.begin(ctx.Context(), "limit", MaxInFlight)
	}

	refuse(ctx, order.Errorf(order.InFlightLimit,
		"This process handles at most %d requests that change orders at once; try again after Retry-After.", MaxInFlight))
}

func refuse(ctx huma.Context, err error) {
	_, w := humago.Unwrap(ctx)
	problem.Of(ctx.Context(), err).Write(w)
}
