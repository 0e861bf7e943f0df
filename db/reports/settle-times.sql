-- title:    Settle times by step
-- question: How long after an order was placed was each of its steps settled, for the orders of the last hour?
-- columns:
--   step     inventory, points, notification, or order: the last of the three; without held orders, which wait for payment
--   settled  orders whose step is settled: the ledger has it as done or as void
--   waiting  orders whose step is not; the times say nothing of these
--   p50_ms   milliseconds within which half of the settled ones were
--   p90_ms   the same for nine in ten
--   p99_ms   the same for 99 in 100
--   max_ms   the slowest

WITH settled AS (
    SELECT
        o.created_at,
        -- Without stock there is nothing to deduct: being rejected is what the step came to.
        coalesce(min(deducted.at), CASE WHEN o.status = 'rejected' THEN o.updated_at END) AS inventory,
        min(earned.at) AS points,
        min(told.at) AS notification
    FROM orders AS o
    LEFT JOIN stock_movements AS deducted ON deducted.order_id = o.id AND deducted.kind = 'deduct' -- one a line
    LEFT JOIN points_entries AS earned ON earned.order_id = o.id AND earned.kind = 'earn'
    LEFT JOIN notifications AS told ON told.order_id = o.id AND told.template = 'created'
    WHERE o.created_at >= now() - interval '1 hour'
        AND o.hold_until IS NULL
    GROUP BY o.id
), measured AS (
    SELECT
        step.position,
        step.name,
        (1000 * extract(epoch FROM step.at - settled.created_at))::bigint AS ms
    FROM settled
    CROSS JOIN LATERAL (VALUES
        (1, 'inventory', inventory),
        (2, 'points', points),
        (3, 'notification', notification),
        -- greatest alone would pass over the steps that are still waiting.
        (4, 'order', CASE WHEN num_nulls(inventory, points, notification) = 0 THEN greatest(inventory, points, notification) END)
    ) AS step (position, name, at)
)
SELECT
    name AS step,
    count(ms) AS settled,
    count(*) - count(ms) AS waiting,
    percentile_disc(0.50) WITHIN GROUP (ORDER BY ms) AS p50_ms,
    percentile_disc(0.90) WITHIN GROUP (ORDER BY ms) AS p90_ms,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY ms) AS p99_ms,
    max(ms) AS max_ms
FROM measured
GROUP BY position, name
ORDER BY position;
