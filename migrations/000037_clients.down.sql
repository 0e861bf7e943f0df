COMMENT ON COLUMN orders.client IS 'Whose order it is; empty until clients have names';
COMMENT ON COLUMN idempotency_keys.scope IS 'Whose key it is: all have one scope until clients have names';

ALTER TABLE stock_receipts DROP COLUMN client;
ALTER TABLE refunds DROP COLUMN client;
ALTER TABLE payments DROP COLUMN client;
ALTER TABLE idempotency_keys DROP COLUMN client;
