-- title:    Latencies now, in the last hour, in the last day and yesterday
-- question: How long do orders take to settle, and their steps to be done, now and yesterday?
-- columns:
--   period  now: the last five minutes; hour and day: the last ones; yesterday: the day of UTC before today
--   step    a step, or settle: all steps, or the rejection; without held orders, which wait for payment
--   orders  orders whose step was done in the period
--   p50_ms  milliseconds from placing within which half of them were; from a histogram, so inside the bucket of the exact value
--   p90_ms  the same for nine in ten
--   p99_ms  the same for 99 in 100

WITH periods (position, period, since, until) AS (
    VALUES
        (1, 'now', date_trunc('minute', now(), 'UTC') - interval '5 minutes', now()),
        (2, 'hour', now() - interval '1 hour', now()),
        (3, 'day', now() - interval '1 day', now()),
        (4, 'yesterday', date_trunc('day', now(), 'UTC') - interval '1 day', date_trunc('day', now(), 'UTC'))
), buckets AS (
    SELECT position, period, step, bucket, sum(n)::bigint AS orders
    FROM periods
    JOIN stats_latencies ON minute >= since AND minute < until
    CROSS JOIN LATERAL unnest(orders) WITH ORDINALITY AS histogram (n, bucket)
    GROUP BY position, period, step, bucket
), summed AS (
    SELECT
        position,
        period,
        step,
        orders,
        -- The first bucket has no lower bound, and the last one no upper bound.
        coalesce((latency_bounds())[bucket - 1], 0) AS low,
        coalesce((latency_bounds())[bucket], (latency_bounds())[bucket - 1]) AS high,
        sum(orders) OVER steps - orders AS before,
        sum(orders) OVER (PARTITION BY position, step) AS total
    FROM buckets
    WINDOW steps AS (PARTITION BY position, step ORDER BY bucket)
), quantiles AS (
    SELECT
        position,
        period,
        step,
        total::bigint AS orders,
        share,
        -- In its bucket the orders are taken as evenly spread.
        (low + (high - low) * (greatest(share * total, 1) - before)::float8 / orders)::bigint AS ms
    FROM summed
    CROSS JOIN (VALUES (0.50), (0.90), (0.99)) AS shares (share)
    WHERE orders > 0
        AND before < greatest(share * total, 1)
        AND before + orders >= greatest(share * total, 1)
)
SELECT
    period,
    step,
    orders,
    max(ms) FILTER (WHERE share = 0.50) AS p50_ms,
    max(ms) FILTER (WHERE share = 0.90) AS p90_ms,
    max(ms) FILTER (WHERE share = 0.99) AS p99_ms
FROM quantiles
GROUP BY position, period, step, orders
ORDER BY position, step = 'settle', step;
