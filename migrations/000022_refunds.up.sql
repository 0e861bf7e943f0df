-- Money that a customer has paid and that the order does not need: a payment that was refused, and a payment of an order
-- that ended.
CREATE TABLE refunds (
    reference    text NOT NULL,
    order_id     uuid NOT NULL,
    at           timestamptz NOT NULL DEFAULT now(),
    cause        text NOT NULL CHECK (cause IN ('refused', 'ended')),
    order_status text NOT NULL,
    state        text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'returned')),
    PRIMARY KEY (reference, order_id)
);

COMMENT ON TABLE refunds IS 'Payments that must be returned to the customer. Whoever returns one sets its state to returned.';
COMMENT ON COLUMN refunds.reference IS 'The payment provider''s name for the payment';
COMMENT ON COLUMN refunds.at IS 'When the payment was refused, or the order ended';
COMMENT ON COLUMN refunds.cause IS 'refused: it came too late, or the order was paid already. ended: the order was paid and ended later.';
COMMENT ON COLUMN refunds.order_status IS 'The order''s status then';

CREATE INDEX refunds_order_idx ON refunds (order_id);
CREATE INDEX refunds_due_idx ON refunds (at) WHERE state = 'due';

INSERT INTO refunds (reference, order_id, at, cause, order_status)
SELECT payments.reference, orders.id, orders.updated_at, 'ended', orders.status
FROM payments
JOIN orders ON orders.id = payments.order_id
WHERE orders.status IN ('rejected', 'cancelled', 'expired', 'failed');
