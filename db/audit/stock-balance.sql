-- sentence: For each product, received - deducted + released = available, and available is not negative.
-- scope:    sums
-- columns:
--   subject  the sku
--   detail   what is available, and what the ledgers say

-- received counts the adjustments, too: they are rows of stock_receipts with a reason.
-- One statement reads one snapshot. A movement and the stock that it changes are of one transaction, so the system may go
-- on working meanwhile. $1 is the time up to which audit_stock_sums has the sums; with -infinity, everything is added up.
WITH booked AS (
    SELECT sku, received, deducted, released
    FROM audit_stock_sums
    WHERE $1::timestamptz > '-infinity'
    UNION ALL
    SELECT sku, quantity, 0, 0
    FROM stock_receipts
    WHERE at > $1
    UNION ALL
    SELECT
        sku,
        0,
        CASE kind WHEN 'deduct' THEN quantity ELSE 0 END,
        CASE kind WHEN 'release' THEN quantity ELSE 0 END
    FROM stock_movements
    WHERE at > $1
), summed AS (
    SELECT
        sku,
        sum(received) AS received,
        sum(deducted) AS deducted,
        sum(released) AS released
    FROM booked
    GROUP BY sku
), compared AS (
    SELECT
        sku,
        coalesce(received, 0) AS received,
        coalesce(deducted, 0) AS deducted,
        coalesce(released, 0) AS released,
        products.available
    FROM summed
    FULL JOIN products USING (sku)
)
SELECT
    sku AS subject,
    format('available %s, should be %s = received %s - deducted %s + released %s',
        coalesce(available::text, 'none: there is no such product'), received - deducted + released, received, deducted, released) AS detail
FROM compared
WHERE available IS DISTINCT FROM received - deducted + released
    OR available < 0
ORDER BY sku;
