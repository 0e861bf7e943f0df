-- title:    Stock movements
-- question: What has changed the stock of products, when, and by how much?
-- parameters:
--   since  time  now-1h  changes from then on
--   until  time  -       and before
--   sku    text  -       only this product
-- columns:
--   at         when, UTC; the newest first
--   sku        the product
--   movement   deduct: an order took it; release: an order gave it back; receive: goods came in; adjust: a stock-take or another adjustment
--   change     by how much the stock changed
--   reason     of an adjustment; null for others
--   order_id   the order; null for receipts and adjustments
--   reference  of the receipt or adjustment; null for orders

SELECT
    at,
    sku,
    CASE WHEN reason IS NULL THEN 'receive' ELSE 'adjust' END AS movement,
    quantity AS change,
    reason,
    NULL AS order_id,
    reference
FROM stock_receipts
WHERE at >= report_time('since', now() - interval '1 hour')
    AND at < report_time('until', '9999-01-01Z')
    AND sku = coalesce(report_text('sku'), sku)
UNION ALL
SELECT
    at,
    sku,
    kind,
    CASE kind WHEN 'deduct' THEN -quantity ELSE quantity END,
    NULL,
    order_id::text,
    NULL
FROM stock_movements
WHERE at >= report_time('since', now() - interval '1 hour')
    AND at < report_time('until', '9999-01-01Z')
    AND sku = coalesce(report_text('sku'), sku)
    AND quantity <> 0 -- a void moves nothing
ORDER BY at DESC, sku, order_id, reference;
