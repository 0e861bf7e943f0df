package progress

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
)

// heldLong is how long a transaction must be open to be named: ours take milliseconds.
const heldLong = 5 * time.Second

// A Lock is a row that the steps of an order need and that another session has locked for
// long.
type Lock struct {
	Row         string // in words
	PID         int
	Application string
	Since       time.Time // when the session's transaction began
}

// readLocks finds sessions that hold rows which the order's steps need. A row keeps the id
// of the transaction that has locked or changed it, also while nothing waits for it. A
// session of another role is found only by a role that may read all statistics.
func readLocks(ctx context.Context, q db.Querier, id uuid.UUID) ([]Lock, error) {
	rows, err := q.Query(ctx, `
		WITH needed AS (
			SELECT 'the order' AS row, xmax AS locked_by
			FROM orders
			WHERE id = $1
			UNION ALL
			SELECT 'product ' || products.sku, products.xmax
			FROM order_lines
			JOIN products ON products.sku = order_lines.sku
			WHERE order_lines.order_id = $1
			UNION ALL
			SELECT 'the balance of the customer''s points', points_balances.xmax
			FROM orders
			JOIN points_balances ON points_balances.user_id = orders.user_id
			WHERE orders.id = $1
		)
		SELECT needed.row, a.pid, coalesce(a.application_name, '') AS application, a.xact_start AS since
		FROM needed
		JOIN pg_stat_activity AS a ON a.backend_xid = needed.locked_by
		WHERE a.datname = current_database()
			AND a.xact_start < clock_timestamp() - $2::interval
		ORDER BY a.xact_start, needed.row`, id, heldLong)
	if err != nil {
		return nil, fmt.Errorf("look for locks: %w", err)
	}

	locks, err := pgx.CollectRows(rows, pgx.RowToStructByName[Lock])
	if err != nil {
		return nil, fmt.Errorf("look for locks: %w", err)
	}

	return locks, nil
}
