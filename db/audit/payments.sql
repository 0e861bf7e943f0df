-- sentence: Only held orders are paid; each held order that is confirmed was paid, and no paid order ended in another way than by being cancelled.
-- scope:    orders
-- columns:
--   subject  the order
--   detail   its status, and what is wrong with its payment

-- Paying and confirming are one transaction.
SELECT
    orders.id::text AS subject,
    CASE
        WHEN payments.order_id IS NULL THEN 'confirmed and held, but not paid'
        WHEN orders.hold_until IS NULL THEN format('%s and paid, but never held', orders.status)
        ELSE format('%s, but paid', orders.status)
    END AS detail
FROM orders
LEFT JOIN payments ON payments.order_id = orders.id
WHERE orders.id = ANY($1::uuid[])
    AND CASE
        WHEN payments.order_id IS NULL THEN orders.status = 'confirmed' AND orders.hold_until IS NOT NULL
        ELSE orders.hold_until IS NULL OR orders.status NOT IN ('confirmed', 'cancelled')
    END
ORDER BY orders.id;
