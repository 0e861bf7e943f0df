-- title:    Settle times by step
-- question: How long after an order was placed was each of its steps settled, for the orders of the last hour?
-- columns:
--   step     a declared step, or order: the last of its steps; without held orders, which wait for payment
--   settled  orders whose step is settled: the ledger has it as done or as void
--   waiting  orders whose step is not; the times say nothing of these
--   p50_ms   milliseconds within which half of the settled ones were
--   p90_ms   the same for nine in ten
--   p99_ms   the same for 99 in 100
--   max_ms   the slowest

WITH placed AS (
    SELECT id, created_at
    FROM orders
    WHERE created_at >= now() - interval '1 hour'
        AND hold_until IS NULL
), settled AS (
    SELECT
        placed.id,
        steps.name AS step,
        (1000 * extract(epoch FROM effect.at - placed.created_at))::bigint AS ms
    FROM placed
    JOIN steps ON steps.since IS NULL OR placed.id >= uuid_at(steps.since)
    CROSS JOIN LATERAL (
        SELECT min(at) AS at
        FROM step_effects
        WHERE order_id = placed.id
            AND step = steps.name
            AND template = steps.template
        OFFSET 0 -- one look a step by the ledger's key
    ) AS effect
), measured AS (
    SELECT 1 AS position, step, ms
    FROM settled
    UNION ALL
    SELECT 2, 'order', CASE WHEN count(ms) = count(*) THEN max(ms) END
    FROM settled
    GROUP BY id
)
SELECT
    step,
    count(ms) AS settled,
    count(*) - count(ms) AS waiting,
    percentile_disc(0.50) WITHIN GROUP (ORDER BY ms) AS p50_ms,
    percentile_disc(0.90) WITHIN GROUP (ORDER BY ms) AS p90_ms,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY ms) AS p99_ms,
    max(ms) AS max_ms
FROM measured
GROUP BY position, step
ORDER BY position, step;
