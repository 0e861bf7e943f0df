-- runs outside a transaction, and may run twice
-- A reference is unique for its client. Programs of the release before use the same indexes: they read by the first columns.
DROP INDEX CONCURRENTLY IF EXISTS payments_reference_idx;
CREATE UNIQUE INDEX CONCURRENTLY payments_reference_idx ON payments (reference, client);
ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_reference_key;

DROP INDEX CONCURRENTLY IF EXISTS refunds_client_idx;
CREATE UNIQUE INDEX CONCURRENTLY refunds_client_idx ON refunds (reference, order_id, client);
ALTER TABLE refunds DROP CONSTRAINT refunds_pkey, ADD CONSTRAINT refunds_pkey PRIMARY KEY USING INDEX refunds_client_idx;

DROP INDEX CONCURRENTLY IF EXISTS stock_receipts_client_idx;
CREATE UNIQUE INDEX CONCURRENTLY stock_receipts_client_idx ON stock_receipts (sku, reference, client);
ALTER TABLE stock_receipts DROP CONSTRAINT stock_receipts_pkey, ADD CONSTRAINT stock_receipts_pkey PRIMARY KEY USING INDEX stock_receipts_client_idx;
