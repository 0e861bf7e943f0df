-- title:    Stock reconciliation
-- question: Is each product's available stock what its ledgers say it must be?
-- columns:
--   sku         the product; those with a difference come first, at most 1,000 rows
--   received    sum of its receipts
--   deducted    sum of what orders took
--   released    sum of what orders gave back
--   expected    received - deducted + released
--   available   what the product's row says; 0 without a row
--   difference  available - expected; anything but 0 is a bug or a manual change

-- One statement reads one snapshot, so that orders being worked meanwhile make no difference.
WITH booked AS (
    SELECT sku, 'receive' AS kind, quantity
    FROM stock_receipts
    UNION ALL
    SELECT sku, kind, quantity
    FROM stock_movements
    UNION ALL
    SELECT sku, 'available', available
    FROM products
), summed AS (
    SELECT
        sku,
        coalesce(sum(quantity) FILTER (WHERE kind = 'receive'), 0)::bigint AS received,
        coalesce(sum(quantity) FILTER (WHERE kind = 'deduct'), 0)::bigint AS deducted,
        coalesce(sum(quantity) FILTER (WHERE kind = 'release'), 0)::bigint AS released,
        coalesce(sum(quantity) FILTER (WHERE kind = 'available'), 0)::bigint AS available
    FROM booked
    GROUP BY sku
)
SELECT
    sku,
    received,
    deducted,
    released,
    received - deducted + released AS expected,
    available,
    available - (received - deducted + released) AS difference
FROM summed
ORDER BY available = received - deducted + released, sku -- false sorts before true
LIMIT 1000;
