-- Keys and references belong to their client. Programs of the release before write none: what has no client is everybody's.
ALTER TABLE idempotency_keys ADD COLUMN client text;
ALTER TABLE payments ADD COLUMN client text NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN client text NOT NULL DEFAULT '';
ALTER TABLE stock_receipts ADD COLUMN client text NOT NULL DEFAULT '';

COMMENT ON COLUMN idempotency_keys.scope IS 'orders; or orders/CLIENT if another client had the key first';
COMMENT ON COLUMN idempotency_keys.client IS 'Whose key it is; null if no token was asked for, and for keys of commands';
COMMENT ON COLUMN orders.client IS 'Who placed it: the name of the token, or of the user. Empty if no token was asked for.';
COMMENT ON COLUMN payments.client IS 'Who sent it; empty if no token was asked for. Two clients may use one reference.';
COMMENT ON COLUMN refunds.client IS 'Who sent the payment; empty if no token was asked for';
COMMENT ON COLUMN stock_receipts.client IS 'Who sent it; empty if no token was asked for. Two clients may use one reference.';
