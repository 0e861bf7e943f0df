-- Programs of before know receipts only, and these are positive. What adjustments took away is taken from the product's
-- newest receipts, so that the sum stays.
ALTER TABLE stock_receipts DROP CONSTRAINT stock_receipts_quantity_check;

WITH taken AS (
    SELECT sku, -sum(quantity) AS quantity
    FROM stock_receipts
    WHERE quantity < 0
    GROUP BY sku
), came AS (
    SELECT sku, reference, sum(quantity) OVER (PARTITION BY sku ORDER BY at DESC, reference DESC) - quantity AS newer
    FROM stock_receipts
    WHERE quantity > 0
)
UPDATE stock_receipts AS receipts
SET quantity = greatest(receipts.quantity - (taken.quantity - came.newer), 0)
FROM came
JOIN taken USING (sku)
WHERE receipts.sku = came.sku
    AND receipts.reference = came.reference
    AND came.newer < taken.quantity;

DELETE FROM stock_receipts
WHERE quantity <= 0;

UPDATE audit_stock_sums AS sums
SET received = coalesce((SELECT sum(quantity) FROM stock_receipts WHERE sku = sums.sku AND at <= watermarks.at), 0)
FROM watermarks
WHERE watermarks.name = 'audit';

ALTER TABLE stock_receipts
    DROP COLUMN reason,
    DROP COLUMN counted,
    DROP COLUMN note,
    ADD CONSTRAINT stock_receipts_quantity_check CHECK (quantity > 0);

COMMENT ON TABLE stock_receipts IS 'Ledger of stock that came in; the key makes a receipt count once however often it is sent';
COMMENT ON COLUMN stock_receipts.reference IS 'The sender''s name for the delivery, such as a purchase order number';
COMMENT ON COLUMN stock_receipts.quantity IS NULL;
COMMENT ON COLUMN products.available IS 'Stock no order has taken: received - deducted + released';
