-- It fails, and changes nothing, if two clients have used one reference: their rows must be told apart.
ALTER TABLE stock_receipts DROP CONSTRAINT stock_receipts_pkey, ADD CONSTRAINT stock_receipts_pkey PRIMARY KEY (sku, reference);
ALTER TABLE refunds DROP CONSTRAINT refunds_pkey, ADD CONSTRAINT refunds_pkey PRIMARY KEY (reference, order_id);
ALTER TABLE payments ADD CONSTRAINT payments_reference_key UNIQUE (reference);
DROP INDEX payments_reference_idx;
