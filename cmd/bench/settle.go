package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Settled is when the orders placed since a moment were settled, by the clock of
// their commits: an order is, when the last row of its steps is committed.
type settled struct {
	Orders int
	Last   time.Time
	P50    float64 // milliseconds from the commit of placing
	P99    float64
	Max    float64
}

// readSettled reads it after the run: what is asked meanwhile would be measured, too.
func readSettled(ctx context.Context, pool *pgxpool.Pool, since time.Time) (settled, error) {
	rows, err := pool.Query(ctx, `
		WITH placed AS (
			SELECT order_id, min(pg_xact_commit_timestamp(xmin)) AS at
			FROM order_lines
			WHERE order_id >= uuid_at($1)
			GROUP BY order_id
		), step AS (
			SELECT order_id, pg_xact_commit_timestamp(xmin) AS at FROM stock_movements WHERE order_id >= uuid_at($1)
			UNION ALL
			SELECT order_id, pg_xact_commit_timestamp(xmin) FROM points_entries WHERE order_id >= uuid_at($1)
			UNION ALL
			SELECT order_id, pg_xact_commit_timestamp(xmin) FROM notifications WHERE order_id >= uuid_at($1)
		), done AS (
			SELECT order_id, max(at) AS at
			FROM step
			GROUP BY order_id
		), took AS (
			SELECT done.at, extract(epoch FROM done.at - placed.at) * 1000 AS ms
			FROM placed
			JOIN done USING (order_id)
		)
		SELECT
			count(*) AS orders,
			coalesce(max(at), '-infinity') AS last,
			coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), 0) AS p50,
			coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), 0) AS p99,
			coalesce(max(ms), 0) AS max
		FROM took`, since)
	if err != nil {
		return settled{}, fmt.Errorf("read settle times: %w", err)
	}

	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[settled])
	if err != nil {
		return settled{}, fmt.Errorf("read settle times: %w", err)
	}

	return s, nil
}

// workedWithin counts the orders' worth of steps that were done between two
// moments, however long they had been waiting: a third of an order each, as over a
// backlog the queues do not advance together. Nobody cancels or holds any of them.
func workedWithin(ctx context.Context, pool *pgxpool.Pool, from, to time.Time) (n int, err error) {
	err = pool.QueryRow(ctx, `
		SELECT (
			(SELECT count(DISTINCT order_id) FROM stock_movements WHERE pg_xact_commit_timestamp(xmin) BETWEEN $1 AND $2)
			+ (SELECT count(*) FROM points_entries WHERE pg_xact_commit_timestamp(xmin) BETWEEN $1 AND $2)
			+ (SELECT count(*) FROM notifications WHERE pg_xact_commit_timestamp(xmin) BETWEEN $1 AND $2)
		) / 3`, from, to).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count steps: %w", err)
	}

	return n, nil
}
