package deadletter

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
)

// A Cause is what a group of letters has in common.
type Cause struct {
	Kind      string
	Signature string
}

// Bounds of what is counted. A larger count means "more than".
const (
	MaxImpact = 10_000 // open letters whose orders and customers are counted
	MaxTrend  = 20_000 // letters of a trend
)

// An Impact is how many orders and customers the open letters of a cause concern.
type Impact struct {
	Orders    int64
	Customers int64
}

// Impacts counts the orders and customers of the open letters, by cause. It counts the newest
// MaxImpact letters.
func Impacts(ctx context.Context, q db.Querier) (map[Cause]Impact, error) {
	rows, err := q.Query(ctx, `
		SELECT l.kind, l.signature, count(DISTINCT l.order_id), count(DISTINCT o.user_id)
		FROM (
			SELECT kind, signature, order_id
			FROM dead_letters
			WHERE resolved_at IS NULL
			ORDER BY dead_at DESC, job_id DESC
			LIMIT $1
		) AS l
		LEFT JOIN LATERAL (
			SELECT user_id
			FROM orders
			WHERE orders.id = l.order_id
			OFFSET 0 -- a look-up a letter: few of all orders are concerned
		) AS o ON true
		GROUP BY l.kind, l.signature`, MaxImpact)
	if err != nil {
		return nil, fmt.Errorf("count orders of dead letters: %w", err)
	}

	var (
		cause  Cause
		impact Impact
	)

	impacts := map[Cause]Impact{}

	_, err = pgx.ForEachRow(rows, []any{&cause.Kind, &cause.Signature, &impact.Orders, &impact.Customers}, func() error {
		impacts[cause] = impact

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count orders of dead letters: %w", err)
	}

	return impacts, nil
}

// TrendHours is how many hours a trend has.
const TrendHours = 24

// A Trend is how many letters died in each of the last hours, the oldest hour first. The last
// hour has not ended.
type Trend [TrendHours]int64

// Trends counts the letters that died within the last day, open or resolved, by cause. It
// counts the newest MaxTrend letters.
func Trends(ctx context.Context, q db.Querier) (map[Cause]Trend, error) {
	rows, err := q.Query(ctx, `
		SELECT kind, signature, age, count(*)
		FROM (
			SELECT kind, signature, floor(extract(epoch FROM now() - dead_at) / 3600)::int AS age
			FROM dead_letters
			WHERE dead_at > now() - $1::interval
				AND dead_at <= now()
			ORDER BY dead_at DESC, job_id DESC
			LIMIT $2
		) AS letters
		GROUP BY kind, signature, age`, TrendHours*time.Hour, MaxTrend)
	if err != nil {
		return nil, fmt.Errorf("count dead letters by hour: %w", err)
	}

	var (
		cause Cause
		age   int
		count int64
	)

	trends := map[Cause]Trend{}

	_, err = pgx.ForEachRow(rows, []any{&cause.Kind, &cause.Signature, &age, &count}, func() error {
		trend := trends[cause]
		trend[TrendHours-1-min(age, TrendHours-1)] += count
		trends[cause] = trend

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count dead letters by hour: %w", err)
	}

	return trends, nil
}

// A Customer is one whose orders have open letters of a cause.
type Customer struct {
	UserID string
	Orders int64
	LastAt time.Time // when the newest of the letters died
}

// Customers lists the customers of the newest MaxImpact open letters of a cause: at most limit,
// those with the most orders first.
func Customers(ctx context.Context, q db.Querier, c Cause, limit int) ([]Customer, error) {
	rows, err := q.Query(ctx, `
		SELECT o.user_id, count(DISTINCT l.order_id) AS orders, max(l.dead_at) AS last_at
		FROM (
			SELECT order_id, dead_at
			FROM dead_letters
			WHERE resolved_at IS NULL
				AND kind = $1
				AND signature = $2
			ORDER BY dead_at DESC, job_id DESC
			LIMIT $3
		) AS l
		CROSS JOIN LATERAL (
			SELECT user_id
			FROM orders
			WHERE orders.id = l.order_id
			OFFSET 0
		) AS o
		GROUP BY o.user_id
		ORDER BY orders DESC, o.user_id
		LIMIT $4`, c.Kind, c.Signature, MaxImpact, limit)
	if err != nil {
		return nil, fmt.Errorf("list customers of dead letters: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Customer])
	if err != nil {
		return nil, fmt.Errorf("list customers of dead letters: %w", err)
	}

	return list, nil
}
