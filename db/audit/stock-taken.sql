-- sentence: Each order that is confirmed or awaits payment has taken its stock: one deduct per line with the line's quantity, nothing else.
-- scope:    orders
-- columns:
--   subject  the order
--   detail   the products, what was ordered of each and what was moved

-- Status and movements are of one transaction, so there is no moment at which they may differ.
WITH audited AS (
    SELECT id, status
    FROM orders
    WHERE id = ANY($1::uuid[])
        AND status IN ('confirmed', 'awaiting_payment')
), booked AS (
    SELECT order_id, sku, 'order' AS kind, quantity
    FROM order_lines
    WHERE order_id = ANY($1)
    UNION ALL
    SELECT order_id, sku, kind, quantity
    FROM stock_movements
    WHERE order_id = ANY($1)
), compared AS (
    SELECT
        order_id,
        sku,
        coalesce(sum(quantity) FILTER (WHERE kind = 'order'), 0) AS ordered,
        coalesce(sum(quantity) FILTER (WHERE kind = 'deduct'), 0) AS deducted,
        coalesce(sum(quantity) FILTER (WHERE kind = 'release'), 0) AS released,
        count(*) AS booked -- one line, one deduct
    FROM booked
    GROUP BY order_id, sku
)
SELECT
    audited.id::text AS subject,
    format('%s, but ', audited.status)
        || string_agg(format('%s: ordered %s, deducted %s, released %s', sku, ordered, deducted, released), '; ' ORDER BY sku) AS detail
FROM audited
JOIN compared ON compared.order_id = audited.id
WHERE ordered <> deducted
    OR booked <> 2
GROUP BY audited.id, audited.status
ORDER BY audited.id;
