-- sentence: Each step that an order must have is done, or something will do it: a live job or an open dead letter. Each hold that ended has a live job, too.
-- scope:    orders
-- columns:
--   subject  the order
--   detail   which steps nothing will do

-- The queue needs a moment, and a missing job is enqueued again within minutes. So orders younger than $2, and holds that
-- ended less than $2 ago, are not checked.
WITH open (order_id, status, what) AS (
    SELECT order_id, status, step
    FROM open_steps
    WHERE order_id = ANY($1::uuid[])
        AND updated_at <= now() - $2::interval
    UNION ALL
    SELECT id, status, 'expire'
    FROM orders
    WHERE id = ANY($1)
        AND status = 'awaiting_payment'
        AND updated_at <= now() - $2
        AND (hold_until IS NULL OR hold_until <= now() - $2)
        AND NOT EXISTS (
            SELECT
            FROM live_jobs
            WHERE unique_key = job_key('expire', orders.id)
            OFFSET 0 -- one index look-up an order, also if the planner's statistics of the queue are old
        )
        AND NOT EXISTS (
            SELECT
            FROM dead_letters
            WHERE order_id = orders.id
                AND kind = 'expire'
                AND (resolved_at IS NULL OR resolution = 'dismissed')
        )
)
SELECT
    order_id::text AS subject,
    format('%s, but nothing will do: %s', status, string_agg(what, ', ' ORDER BY what)) AS detail
FROM open
GROUP BY order_id, status
ORDER BY order_id;
