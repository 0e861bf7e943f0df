COMMENT ON COLUMN refunds.cause IS 'refused: it came too late, or the order was paid already. ended: the order was paid and ended later.';

ALTER TABLE refunds
    DROP COLUMN currency,
    DROP COLUMN amount;

COMMENT ON TABLE payments IS 'Ledger of what paid for held orders; the key makes an order paid once, and a payment pay once';

ALTER TABLE payments
    DROP COLUMN kept,
    DROP COLUMN currency,
    DROP COLUMN amount;
