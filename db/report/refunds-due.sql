-- title:    Refunds that are due
-- question: Which payments must be returned to their customers, and why?
-- columns:
--   reference     the payment provider's name for the payment; the one that has waited longest comes first, at most 1,000 rows
--   client        who has sent the payment: two clients may use one reference; empty if no token was asked for
--   order_id      the order that it was for
--   user_id       the customer
--   amount        what was paid, in minor units; the order's total if the payment did not say it
--   currency      of the amount
--   cause         refused: the payment came too late or with a wrong amount, the order is not held, or it was paid already; ended: the order was paid and ended later
--   order_status  the order's status then
--   at            since when it is due, UTC

SELECT
    refunds.reference,
    refunds.client,
    refunds.order_id::text AS order_id,
    orders.user_id,
    coalesce(refunds.amount, orders.total) AS amount,
    coalesce(refunds.currency, orders.currency) AS currency,
    refunds.cause,
    refunds.order_status,
    refunds.at
FROM refunds
LEFT JOIN orders ON orders.id = refunds.order_id
WHERE refunds.state = 'due'
ORDER BY refunds.at, refunds.reference, refunds.order_id, refunds.client
LIMIT 1000;
