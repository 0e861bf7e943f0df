-- title:    Stock reconciliation
-- question: Which products' available stock is not what their ledgers say?
-- columns:
--   sku         the product; only those with a difference, at most 1,000
--   received    sum of its receipts
--   adjusted    sum of its adjustments; negative if they took stock away
--   deducted    sum of what orders took
--   released    sum of what orders gave back
--   expected    received + adjusted - deducted + released
--   available   what the product's row says; 0 without a row
--   difference  available - expected: a bug or a manual change

-- One statement reads one snapshot, so that orders being worked meanwhile make no difference.
WITH booked AS (
    SELECT sku, CASE WHEN reason IS NULL THEN 'receive' ELSE 'adjust' END AS kind, quantity
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
        coalesce(sum(quantity) FILTER (WHERE kind = 'adjust'), 0)::bigint AS adjusted,
        coalesce(sum(quantity) FILTER (WHERE kind = 'deduct'), 0)::bigint AS deducted,
        coalesce(sum(quantity) FILTER (WHERE kind = 'release'), 0)::bigint AS released,
        coalesce(sum(quantity) FILTER (WHERE kind = 'available'), 0)::bigint AS available
    FROM booked
    GROUP BY sku
), compared AS (
    SELECT
        sku,
        received,
        adjusted,
        deducted,
        released,
        received + adjusted - deducted + released AS expected,
        available
    FROM summed
)
SELECT
    sku,
    received,
    adjusted,
    deducted,
    released,
    expected,
    available,
    available - expected AS difference
FROM compared
WHERE available <> expected
ORDER BY sku
LIMIT 1000;
