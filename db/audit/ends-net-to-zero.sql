-- sentence: Each order that was rejected, cancelled, expired or failed nets to zero: its steps are undone or will never happen, it released what it deducted, and its customer was notified.
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
), fault (id, status, fault) AS (
    SELECT
        ended.id,
        ended.status,
        CASE WHEN effect.void IS NULL THEN format('the %s step may still happen', steps.name) ELSE format('the %s step was not undone', steps.name) END
    FROM ended
    JOIN steps ON steps.since IS NULL OR ended.id >= uuid_at(steps.since)
    CROSS JOIN LATERAL (
        SELECT bool_or(void) AS void, bool_or(ledger <> 'orders') AS written
        FROM step_effects
        WHERE order_id = ended.id
            AND step = steps.name
            AND template = steps.template
        OFFSET 0
    ) AS effect
    WHERE effect.void IS NULL -- no row, so no key that is taken
        -- A step whose only effect is the order's status has nothing to undo: it rejected the order.
        OR steps.reversible AND NOT effect.void AND effect.written
    UNION ALL
    SELECT ended.id, ended.status, format('%s: deducted %s, released %s', sku, deducted, released)
    FROM ended
    JOIN stock ON stock.order_id = ended.id
    WHERE deducted <> released
    UNION ALL
    SELECT ended.id, ended.status, format('the balance of its points is %s', sum(points_entries.points))
    FROM ended
    JOIN points_entries ON points_entries.order_id = ended.id
    GROUP BY ended.id, ended.status
    HAVING sum(points_entries.points) <> 0
    UNION ALL
    SELECT id, status, format('the customer was not notified %I', status)
    FROM ended
    WHERE NOT EXISTS (
        SELECT
        FROM notifications
        WHERE order_id = ended.id
            AND template = ended.status
    )
)
SELECT
    id::text AS subject,
    format('%s, but ', status) || string_agg(fault, '; ' ORDER BY fault) AS detail
FROM fault
GROUP BY id, status
ORDER BY id;
