-- A payment may say what was paid, and may come before the stock of its order is reserved.
ALTER TABLE payments
    ADD COLUMN amount bigint,
    ADD COLUMN currency text,
    ADD COLUMN kept boolean NOT NULL DEFAULT false;

COMMENT ON TABLE payments IS 'Ledger of what paid for held orders; the key makes an order paid once, and a payment pay once. A payment of a pending order is kept: the order is confirmed when its stock is reserved.';
COMMENT ON COLUMN payments.amount IS 'Minor units; it is the order''s total. Null if the payment did not say it.';
COMMENT ON COLUMN payments.currency IS 'ISO 4217 code of the amount; null if the payment did not say it';
COMMENT ON COLUMN payments.kept IS 'The payment came before the stock of its order was reserved';

ALTER TABLE refunds
    ADD COLUMN amount bigint,
    ADD COLUMN currency text;

COMMENT ON COLUMN refunds.amount IS 'What was paid, in minor units. Null if the payment did not say it: then it is the order''s total.';
COMMENT ON COLUMN refunds.currency IS 'ISO 4217 code of the amount; null if the payment did not say it';
COMMENT ON COLUMN refunds.cause IS 'refused: it came too late or with a wrong amount, the order is not held, or it was paid already. ended: the order was paid and ended later.';
