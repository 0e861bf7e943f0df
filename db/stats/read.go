package stats

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
)

// Counts are what happened in a period.
type Counts struct {
	At        time.Time // the start of the period
	Placed    int64
	Settled   int64 // completed, or ended before that
	Refused   int64 // requests, for overload; [RefusedByCause] tells them apart
	Rejected  int64
	Cancelled int64
	Expired   int64
	Failed    int64
}

// Minutes lists the counts from a moment to another in periods of the bucket's length, which is
// at least a minute; the first period begins at from. All periods are listed. A minute that was
// not counted yet counts as 0: [Final] says up to when the counts will not change.
func Minutes(ctx context.Context, q db.Querier, from, to time.Time, bucket time.Duration) ([]Counts, error) {
	rows, err := q.Query(ctx, `
		WITH counted AS (
			SELECT
				date_bin($3::interval, minute, $1::timestamptz) AS at,
				sum(placed) AS placed,
				sum(settled) AS settled,
				sum(rejected) AS rejected,
				sum(cancelled) AS cancelled,
				sum(expired) AS expired,
				sum(failed) AS failed
			FROM stats_minutes
			WHERE minute >= $1
				AND minute < $2
			GROUP BY 1
		), refused AS (
			SELECT date_bin($3::interval, minute, $1::timestamptz) AS at, sum(refused) AS refused
			FROM stats_refusals
			WHERE minute >= $1
				AND minute < $2
			GROUP BY 1
		)
		SELECT
			at,
			coalesce(placed, 0)::bigint AS placed,
			coalesce(settled, 0)::bigint AS settled,
			coalesce(refused, 0)::bigint AS refused,
			coalesce(rejected, 0)::bigint AS rejected,
			coalesce(cancelled, 0)::bigint AS cancelled,
			coalesce(expired, 0)::bigint AS expired,
			coalesce(failed, 0)::bigint AS failed
		FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 microsecond', $3::interval) AS at
		LEFT JOIN counted USING (at)
		LEFT JOIN refused USING (at)
		ORDER BY at`, from, to, max(bucket, time.Minute))
	if err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}

	counts, err := pgx.CollectRows(rows, pgx.RowToStructByName[Counts])
	if err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}

	return counts, nil
}

// Final is the moment up to which the counts will not change. It is the zero time before the
// first run of job stats.
func Final(ctx context.Context, q db.Querier) (at time.Time, err error) {
	err = q.QueryRow(ctx, `
		SELECT coalesce(max(at) FILTER (WHERE isfinite(at)), '0001-01-01 00:00:00Z')
		FROM watermarks
		WHERE name = 'stats'`).Scan(&at)
	if err != nil {
		return at, fmt.Errorf("read how far minutes are counted: %w", err)
	}

	return at.UTC(), nil
}

// RefusedByCause counts the requests that were refused from a moment to another, by the code of
// the refusal.
func RefusedByCause(ctx context.Context, q db.Querier, from, to time.Time) (map[string]int64, error) {
	rows, err := q.Query(ctx, `
		SELECT cause, sum(refused)::bigint
		FROM stats_refusals
		WHERE minute >= $1
			AND minute < $2
		GROUP BY cause`, from, to)
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}

	var (
		causes  = map[string]int64{}
		cause   string
		refused int64
	)

	if _, err = pgx.ForEachRow(rows, []any{&cause, &refused}, func() error {
		causes[cause] = refused

		return nil
	}); err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}

	return causes, nil
}

// A Latency is how long after placing a step was done, or an order was settled.
type Latency struct {
	Step          string // or [Settle]
	Orders        int64
	P50, P90, P99 time.Duration // each inside the bucket of the exact value
	Buckets       []int64       // the orders of each bucket: see [Bounds]
}

// Latencies lists the latencies of the steps that were done from a moment to another. Steps that
// no order did then are left out. [Settle] is the last.
func Latencies(ctx context.Context, q db.Querier, from, to time.Time) ([]Latency, error) {
	rows, err := q.Query(ctx, `
		SELECT step, array_agg(orders ORDER BY bucket) AS orders
		FROM (
			SELECT step, bucket, sum(n)::bigint AS orders
			FROM stats_latencies
			CROSS JOIN LATERAL unnest(orders) WITH ORDINALITY AS buckets (n, bucket)
			WHERE minute >= $1
				AND minute < $2
			GROUP BY step, bucket
		) AS summed
		GROUP BY step
		ORDER BY step = $3, step`, from, to, Settle)
	if err != nil {
		return nil, fmt.Errorf("read latencies: %w", err)
	}

	latencies, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Latency, error) {
		var (
			step   string
			orders []int64
		)

		err := row.Scan(&step, &orders)

		return latency(step, orders), err
	})
	if err != nil {
		return nil, fmt.Errorf("read latencies: %w", err)
	}

	return latencies, nil
}

func latency(step string, orders []int64) Latency {
	l := Latency{Step: step, Buckets: orders, P50: quantile(orders, 0.5), P90: quantile(orders, 0.9), P99: quantile(orders, 0.99)}
	for _, n := range orders {
		l.Orders += n
	}

	return l
}

// quantile is the latency within which a share of the orders were: percentile_disc, to within
// its bucket, in which it takes the orders as evenly spread. Of the last bucket it knows the
// lower bound only.
func quantile(orders []int64, share float64) time.Duration {
	var total, before int64
	for _, n := range orders {
		total += n
	}

	rank := max(share*float64(total), 1)

	for i, n := range orders {
		if float64(before+n) < rank {
			before += n

			continue
		}

		var low time.Duration
		if i > 0 {
			low = bounds[min(i, len(bounds))-1]
		}

		if i >= len(bounds) || n == 0 {
			return low
		}

		return low + time.Duration(float64(bounds[i]-low)*(rank-float64(before))/float64(n))
	}

	return 0
}
