package telemetry

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"orders/db/stats"
)

var (
	settledOrders = desc("orders_settled_total",
		"Orders that have settled since this process was first asked, in all processes. A minute is added when it is final.")
	settleSeconds = desc("orders_settle_seconds",
		"Time from the placing of these orders until they had settled, without held ones. The sum is an estimate from the buckets.")
)

// lookBack bounds how far a reading looks back, if the one before was long ago.
const lookBack = 24 * time.Hour

// settled adds up the minutes that job stats has counted. No process sees an order settle: its steps are done by
// several. The numbers are the same in each process, but for when it started.
type settled struct {
	from    time.Time // the first minute that was not added yet
	orders  int64
	buckets []int64
}

// read adds the minutes that have become final. now is the database's time.
func (s *settled) read(ctx context.Context, pool *pgxpool.Pool, now time.Time) error {
	final, err := stats.Final(ctx, pool)
	if err != nil {
		return err //nolint:wrapcheck // it says what was being done
	}

	if s.from.IsZero() {
		s.from = now.Truncate(time.Minute)
		s.buckets = make([]int64, len(stats.Bounds())+1)
	}

	if !final.After(s.from) {
		return nil
	}

	from := s.from
	if first := final.Add(-lookBack); from.Before(first) {
		from = first
	}

	counts, err := stats.Minutes(ctx, pool, from, final, lookBack)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}

	latencies, err := stats.Latencies(ctx, pool, from, final)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}

	for _, c := range counts {
		s.orders += c.Settled
	}

	for _, l := range latencies {
		for i := range min(len(l.Buckets), len(s.buckets)) {
			if l.Step == stats.Settle {
				s.buckets[i] += l.Buckets[i]
			}
		}
	}

	s.from = final

	return nil
}

func (s *settled) collect(to chan<- prometheus.Metric) {
	var (
		bounds  = stats.Bounds()
		buckets = make(map[float64]uint64, len(bounds))
		count   uint64
		sum     float64
		low     time.Duration
	)

	for i, n := range s.buckets {
		high := low // the last bucket has no upper bound
		if i < len(bounds) {
			high = bounds[i]
		}

		count += uint64(n)                             //nolint:gosec // it is no less than 0
		sum += float64(n) * (low + high).Seconds() / 2 //nolint:mnd // the middle
		low = high

		if i < len(bounds) {
			buckets[high.Seconds()] = count
		}
	}

	to <- counterOf(settledOrders, float64(s.orders))
	to <- prometheus.MustNewConstHistogram(settleSeconds, count, sum, buckets)
}
