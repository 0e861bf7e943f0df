-- sentence: Only held orders are paid, with their total; each held order that is confirmed was paid, none awaits a payment that it has, and a payment whose order ended is to be returned.
-- scope:    orders
-- columns:
--   subject  the order
--   detail   its status, and what is wrong with its payment

-- Paying and confirming are one transaction; so are the end of an order and the record of its refund. A payment that comes
-- before the stock is reserved is kept while the order is pending.
SELECT
    orders.id::text AS subject,
    CASE
        WHEN payments.order_id IS NULL THEN 'confirmed and held, but not paid'
        WHEN orders.hold_until IS NULL THEN format('%s and paid, but never held', orders.status)
        WHEN orders.status = 'awaiting_payment' THEN 'awaiting_payment, but paid'
        WHEN orders.status NOT IN ('pending', 'confirmed') AND refunds.order_id IS NULL
            THEN format('%s, but nobody is told to return its payment', orders.status)
        ELSE format('paid %s %s, but its total is %s %s', payments.amount, payments.currency, orders.total, orders.currency)
    END AS detail
FROM orders
LEFT JOIN payments ON payments.order_id = orders.id
LEFT JOIN refunds ON refunds.order_id = payments.order_id
    AND refunds.reference = payments.reference
    AND refunds.client = payments.client
WHERE orders.id = ANY($1::uuid[])
    AND CASE
        WHEN payments.order_id IS NULL THEN orders.status = 'confirmed' AND orders.hold_until IS NOT NULL
        ELSE orders.hold_until IS NULL
            OR orders.status = 'awaiting_payment'
            OR orders.status NOT IN ('pending', 'confirmed') AND refunds.order_id IS NULL
            OR (payments.amount, payments.currency) IS DISTINCT FROM (orders.total, orders.currency) AND payments.currency IS NOT NULL
    END
ORDER BY orders.id;
