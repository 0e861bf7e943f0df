package delivery

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
)

// MostWatched bounds the endpoints of [Healths]: those that are not as they should be come first.
const MostWatched = 100

// A Health is how an endpoint is.
type Health struct {
	Endpoint

	Lag time.Duration // the age of the oldest event behind its position; 0 for none, and if it is disabled
}

// Host is where the endpoint is. The rest of its URL may hold a secret.
func (e Endpoint) Host() string {
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" {
		return string(e.Kind)
	}

	return u.Host
}

// DisabledItself tells whether the endpoint was disabled by its answers, and not by an operator.
func (e Endpoint) DisabledItself() bool { return e.DisabledAt != nil && e.DisabledBy == nil }

// Healths lists how the endpoints are, at most [MostWatched] of them. The cost of each is bounded: what waits is counted
// up to 10,000, and the log is read at one place.
func Healths(ctx context.Context, q db.Querier) ([]Health, error) {
	rows, err := q.Query(ctx, `
		SELECT `+shown+`,
			CASE WHEN disabled_at IS NULL THEN coalesce(greatest(now() - (
				SELECT at
				FROM events
				WHERE seq >= endpoints.position_seq
					AND (seq > endpoints.position_seq OR cardinality(order_ids) + coalesce(cardinality(skus), 0) > endpoints.position_n)
				ORDER BY seq
				LIMIT 1
			), '0'), '0') ELSE '0' END AS lag
		FROM endpoints
		ORDER BY disabled_at IS NOT NULL AND disabled_by IS NOT NULL, failing_since, disabled_at, created_at, id
		LIMIT $1`, MostWatched)
	if err != nil {
		return nil, fmt.Errorf("read the health of endpoints: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Health])
	if err != nil {
		return nil, fmt.Errorf("read the health of endpoints: %w", err)
	}

	return list, nil
}
