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
	Row         string // in words; empty for something else that a worker waits for
	PID         int
	Application string
	Since       time.Time // when the session's transaction began
}

// readLocks finds sessions that hold rows which the order's steps need, and other sessions
// that workers wait for: they may hold a table, or share the lock of a row. A row keeps the id
// of the transaction that has locked or changed it, also while nothing waits for it. Sessions
// that wait themselves are not the cause. A session of another role is found only by a role
// that may read all statistics.
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
		),
		held AS (
			SELECT needed.row, a.pid
			FROM needed
			JOIN pg_stat_activity AS a ON a.backend_xid = needed.locked_by
			UNION ALL
			SELECT '', pids.blocking
			FROM workers AS w
			JOIN pg_stat_activity AS a ON a.application_name = w.sessions
			CROSS JOIN unnest(pg_blocking_pids(a.pid)) AS pids (blocking)
			WHERE w.sessions <> ''
				AND a.wait_event_type = 'Lock'
		),
		named AS (
			SELECT DISTINCT row, pid, max(row) OVER (PARTITION BY pid) AS known
			FROM held
		)
		SELECT named.row, a.pid, coalesce(a.application_name, '') AS application, a.xact_start AS since
		FROM named
		JOIN pg_stat_activity AS a USING (pid)
		WHERE (named.row <> '' OR named.known = '')
			AND a.datname = current_database()
			AND a.wait_event_type IS DISTINCT FROM 'Lock'
			AND a.xact_start < clock_timestamp() - $2::interval
		ORDER BY a.xact_start, named.row`, id, heldLong)
	if err != nil {
		return nil, fmt.Errorf("look for locks: %w", err)
	}

	locks, err := pgx.CollectRows(rows, pgx.RowToStructByName[Lock])
	if err != nil {
		return nil, fmt.Errorf("look for locks: %w", err)
	}

	return locks, nil
}
