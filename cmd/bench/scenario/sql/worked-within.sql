-- The steps of an order done from $1 to $2, whenever it was placed. Each counts a third of an order, as the queues do not
-- advance together over a backlog. No order is cancelled or held.
SELECT
    orders AS settled,
    orders / extract(epoch FROM $2::timestamptz - $1::timestamptz)::float8 AS settled_per_s
FROM (SELECT (
    (SELECT count(DISTINCT order_id) FROM stock_movements WHERE pg_xact_commit_timestamp(xmin) BETWEEN $1 AND $2)
    + (SELECT count(*) FROM points_entries WHERE pg_xact_commit_timestamp(xmin) BETWEEN $1 AND $2)
    + (SELECT count(*) FROM notifications WHERE pg_xact_commit_timestamp(xmin) BETWEEN $1 AND $2)
) / 3::float8 AS orders) AS worked;
