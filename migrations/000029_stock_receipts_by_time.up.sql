-- runs outside a transaction, and may run twice
ALTER TABLE stock_receipts VALIDATE CONSTRAINT stock_receipts_quantity_check;
ALTER TABLE stock_receipts VALIDATE CONSTRAINT stock_receipts_reason_check;
ALTER TABLE stock_receipts VALIDATE CONSTRAINT stock_receipts_counted_check;

-- The list of a product's receipts, the newest first.
DROP INDEX CONCURRENTLY IF EXISTS stock_receipts_list_idx;
CREATE INDEX CONCURRENTLY stock_receipts_list_idx ON stock_receipts (sku, at, reference);
