-- sentence: Each order that was rejected, cancelled, expired or failed nets to zero: released what it deducted, keeps no points, and told its customer.
-- scope:    orders
-- columns:
--   subject  the order
--   detail   what does not net to zero

-- An order ends in one transaction, so there is no moment at which this may not hold.
WITH ended AS (
    SELECT id, status
    FROM orders
    WHERE id = ANY($1::uuid[])
        AND status IN ('rejected', 'cancelled', 'expired', 'failed')
), stock AS (
    SELECT
        order_id,
        sku,
        coalesce(sum(quantity) FILTER (WHERE kind = 'deduct'), 0) AS deducted,
        coalesce(sum(quantity) FILTER (WHERE kind = 'release'), 0) AS released
    FROM stock_movements
    WHERE order_id = ANY($1)
    GROUP BY order_id, sku
), fault AS (
    SELECT ended.id, ended.status, format('%s: deducted %s, released %s', sku, deducted, released) AS fault
    FROM ended
    JOIN stock ON stock.order_id = ended.id
    WHERE deducted <> released
    UNION ALL
    SELECT ended.id, ended.status, format('its points add up to %s', sum(points_entries.points))
    FROM ended
    JOIN points_entries ON points_entries.order_id = ended.id
    GROUP BY ended.id, ended.status
    HAVING sum(points_entries.points) <> 0
    UNION ALL
    SELECT ended.id, ended.status, format('the customer was not told "%s"', due.template)
    FROM ended
    CROSS JOIN LATERAL (VALUES ('created'), (ended.status)) AS due (template)
    WHERE NOT EXISTS (
        SELECT
        FROM notifications
        WHERE order_id = ended.id
            AND template = due.template
    )
)
SELECT
    id::text AS subject,
    format('%s, but ', status) || string_agg(fault, '; ' ORDER BY fault) AS detail
FROM fault
GROUP BY id, status
ORDER BY id;
