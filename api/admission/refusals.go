package admission

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"orders/order"
)

const (
	quietFor = 10 * time.Second // without a refusal, after which the refusals have ended
	logEvery = time.Minute      // a line while refusals last
)

// refusals counts the refusals of one cause. It logs when they begin, at most once a minute while
// they last, and their number when they end. A line for each would cost as much as the refusal.
type refusals struct {
	log   *slog.Logger
	cause order.Code
	count Count

	mu      sync.Mutex
	refused int64     // since they began; 0 while there are none
	checked int64     // of these, those before the last check
	began   time.Time // the first
	last    time.Time // the last
	logged  time.Time // the last line
}

// A Count is called with the cause of each refusal, on the path of the request; nil for none.
type Count func(cause order.Code)

// note counts a refusal. It tells whether refusals begin with it: then the caller calls begin.
func (r *refusals) note() (first bool) {
	if r.count != nil {
		r.count(r.cause)
	}

	r.mu.Lock()
	defer r.mu.Unlock()

	r.last = time.Now()
	r.refused++

	return r.refused == 1
}

// begin logs that refusals begin, with details. They are made for this line only.
func (r *refusals) begin(ctx context.Context, details ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.began, r.logged, r.checked = r.last, r.last, 0
	r.log.WarnContext(ctx, "requests are refused", append([]any{"cause", r.cause}, details...)...)
	time.AfterFunc(quietFor, r.check)
}

// check runs every quietFor while refusals last.
func (r *refusals) check() {
	r.mu.Lock()
	defer r.mu.Unlock()

	ctx := context.Background()
	fields := []any{"cause", r.cause, "refused", r.refused, "for", r.last.Sub(r.began).Round(time.Second)}

	if r.refused == r.checked {
		r.log.InfoContext(ctx, "requests are not refused any more", fields...)
		r.refused = 0

		return
	}

	r.checked = r.refused

	if now := time.Now(); now.Sub(r.logged) >= logEvery {
		r.logged = now
		r.log.WarnContext(ctx, "requests are still refused", fields...)
	}

	time.AfterFunc(quietFor, r.check)
}
