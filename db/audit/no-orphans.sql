-- sentence: Each order that is not settled has something that will settle it: a live job, an open hold or an open dead letter.
-- scope:    orders
-- columns:
--   subject  the order
--   detail   where it stands

-- The queue needs a moment, and an orphan's jobs are enqueued again within minutes: orders younger than $2, and holds
-- that ended less than that ago, are left alone.
WITH unsettled AS (
    SELECT id, status
    FROM orders
    WHERE id = ANY($1::uuid[])
        AND updated_at <= now() - $2::interval
        AND (
            status = 'pending'
            OR status = 'awaiting_payment'
                AND (hold_until IS NULL OR hold_until <= now() - $2::interval)
            OR status = 'confirmed'
                AND (
                    NOT EXISTS (SELECT FROM points_entries WHERE order_id = orders.id AND kind = 'earn')
                    OR NOT EXISTS (SELECT FROM notifications WHERE order_id = orders.id AND template = 'created')
                )
        )
)
SELECT
    id::text AS subject,
    format('%s, without a live job, an open hold or an open dead letter', status) AS detail
FROM unsettled
WHERE NOT EXISTS (
        SELECT
        FROM live_jobs
        WHERE unique_key = ANY(job_keys(unsettled.id))
        OFFSET 0 -- one look an order, whatever the planner knows of the queue
    )
    AND NOT EXISTS (
        SELECT
        FROM dead_letters
        WHERE order_id = unsettled.id
            AND (resolved_at IS NULL OR resolution = 'dismissed') -- somebody's word that nothing is to be done
    )
ORDER BY id;
