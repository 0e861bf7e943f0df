-- title:    Settle times by step
-- question: How long after an order was placed was each of its steps settled?
-- parameters:
--   since  time  now-1h  orders placed from then on
--   until  time  -       and before
-- columns:
--   step     a declared step, or order: the last of its steps; without held orders, which wait for payment
--   settled  orders whose step is settled: the ledger has it as done or as void
--   waiting  orders whose step is still to be done; the times say nothing of these
--   dead     orders whose step's job is dead, its letter open or dismissed; nor of these
--   p50_ms   milliseconds within which half of the settled ones were
--   p90_ms   the same for nine in ten
--   p99_ms   the same for 99 in 100
--   max_ms   the slowest

WITH placed AS (
    SELECT id, created_at
    FROM orders
    WHERE id >= uuid_at(report_time('since', now() - interval '1 hour'))
        AND id < uuid_at(report_time('until', '9999-01-01Z'))
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
), looked_up AS (
    SELECT
        settled.id,
        settled.step,
        settled.ms,
        undone.step IS NOT NULL AND (undone.live OR undone.open) AS waiting,
        undone.step IS NOT NULL AND NOT undone.live AND NOT undone.open AS dead
    FROM settled
    -- An order that has ended has no due steps, so it waits for none.
    LEFT JOIN LATERAL (
        SELECT
            u.step,
            EXISTS (
                SELECT
                FROM live_jobs
                WHERE unique_key = ANY(job_keys(u.step, u.order_id, u.template, u.batch_id))
                OFFSET 0
            ) AS live,
            EXISTS (
                SELECT
                FROM open_steps
                WHERE open_steps.order_id = u.order_id
                    AND open_steps.step = u.step
                OFFSET 0
            ) AS open
        FROM undone_steps AS u
        WHERE settled.ms IS NULL
            AND u.order_id = settled.id
            AND u.step = settled.step
        OFFSET 0
    ) AS undone ON true
), measured AS (
    SELECT 1 AS position, step, ms, waiting, dead
    FROM looked_up
    UNION ALL
    SELECT
        2,
        'order',
        CASE WHEN count(ms) = count(*) THEN max(ms) END,
        bool_or(waiting),
        bool_or(dead) AND NOT bool_or(waiting)
    FROM looked_up
    GROUP BY id
)
SELECT
    step,
    count(ms) AS settled,
    count(*) FILTER (WHERE waiting) AS waiting,
    count(*) FILTER (WHERE dead) AS dead,
    percentile_disc(0.50) WITHIN GROUP (ORDER BY ms) AS p50_ms,
    percentile_disc(0.90) WITHIN GROUP (ORDER BY ms) AS p90_ms,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY ms) AS p99_ms,
    max(ms) AS max_ms
FROM measured
GROUP BY position, step
ORDER BY position, step;
