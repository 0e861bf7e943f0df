-- sentence: Each confirmed order that has settled earned its points and told its customer that it was created, and no order told of an end it did not come to.
-- scope:    orders
-- columns:
--   subject  the order
--   detail   what is missing, or should not be there

-- Not settled yet is an order whose missing step has a live job or an open dead letter, and one younger than $2.
WITH audited AS (
    SELECT id, status, updated_at
    FROM orders
    WHERE id = ANY($1::uuid[])
), missing AS (
    SELECT id, 'points' AS step, '' AS template, 'no points earned' AS fault
    FROM audited
    WHERE status = 'confirmed'
        AND updated_at <= now() - $2::interval
        AND NOT EXISTS (SELECT FROM points_entries WHERE order_id = audited.id AND kind = 'earn')
    UNION ALL
    SELECT id, 'notification', 'created', 'the customer was not told "created"'
    FROM audited
    WHERE status = 'confirmed'
        AND updated_at <= now() - $2::interval
        AND NOT EXISTS (SELECT FROM notifications WHERE order_id = audited.id AND template = 'created')
), fault AS (
    SELECT id, fault
    FROM missing
    WHERE NOT EXISTS (
            SELECT
            FROM live_jobs
            WHERE unique_key = job_key(missing.step, missing.id, missing.template)
            OFFSET 0 -- one look a step, whatever the planner knows of the queue
        )
        AND NOT EXISTS (
            SELECT
            FROM dead_letters
            WHERE order_id = missing.id
                AND kind = missing.step
                AND (resolved_at IS NULL OR resolution = 'dismissed') -- somebody's word that nothing is to be done
        )
    UNION ALL
    -- There, but undone.
    SELECT audited.id, format('its points add up to %s', sum(points_entries.points))
    FROM audited
    JOIN points_entries ON points_entries.order_id = audited.id
    WHERE audited.status = 'confirmed'
    GROUP BY audited.id
    HAVING sum(points_entries.points) <= 0
    UNION ALL
    SELECT audited.id, format('the customer was told %I, but it is %s', notifications.template, audited.status)
    FROM audited
    JOIN notifications ON notifications.order_id = audited.id
    WHERE notifications.template IN ('rejected', 'cancelled', 'expired', 'failed')
        AND notifications.template <> audited.status
)
SELECT
    id::text AS subject,
    string_agg(fault, '; ' ORDER BY fault) AS detail
FROM fault
GROUP BY id
ORDER BY id;
