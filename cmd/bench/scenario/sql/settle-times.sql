-- When the orders from id $2 on, placed since $1, settled, by the commits' clock: an order has settled with the last commit of its steps.
-- The times are in milliseconds after the commit that placed the order.
WITH placed AS (
    SELECT order_id, min(pg_xact_commit_timestamp(xmin)) AS at
    FROM order_lines
    WHERE order_id >= $2
    GROUP BY order_id
), step AS (
    SELECT order_id, pg_xact_commit_timestamp(xmin) AS at FROM stock_movements WHERE order_id >= $2
    UNION ALL
    SELECT order_id, pg_xact_commit_timestamp(xmin) FROM points_entries WHERE order_id >= $2
    UNION ALL
    SELECT order_id, pg_xact_commit_timestamp(xmin) FROM notifications WHERE order_id >= $2
), settled AS (
    SELECT order_id, max(at) AS at
    FROM step
    GROUP BY order_id
), took AS (
    SELECT settled.at, extract(epoch FROM settled.at - placed.at) * 1000 AS ms
    FROM placed
    JOIN settled USING (order_id)
)
SELECT
    count(*)::float8 AS settled,
    coalesce(count(*) / extract(epoch FROM max(at) - $1), 0)::float8 AS settled_per_s,
    coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), 0)::float8 AS settle_p50_ms,
    coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), 0)::float8 AS settle_p99_ms,
    coalesce(max(ms), 0)::float8 AS settle_max_ms
FROM took;
