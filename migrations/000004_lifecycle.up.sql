CREATE TABLE payments (
    order_id  uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    at        timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE payments IS 'Ledger of what paid for held orders; the key makes an order paid once, and a payment pay once';
COMMENT ON COLUMN payments.reference IS 'The payment''s name at whoever took it';

CREATE TABLE order_events (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    type     text NOT NULL,
    detail   jsonb NOT NULL DEFAULT '{}',
    actor    text NOT NULL DEFAULT ''
);

COMMENT ON TABLE order_events IS 'What the ledgers cannot tell of an order: how it ended and why, redrives, acts of operators. A happy order has none.';
COMMENT ON COLUMN order_events.type IS 'A final status that the order went to, or the name of an act';
COMMENT ON COLUMN order_events.actor IS 'Who did it; empty when the system did';

CREATE INDEX order_events_order_idx ON order_events (order_id, id);

-- Held orders by the deadline of their payment.
CREATE INDEX orders_hold_idx ON orders (hold_until) WHERE status = 'awaiting_payment';

-- The lowest UUIDv7 of a moment: orders are found by time through their primary key.
CREATE FUNCTION uuid_at(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;

COMMENT ON FUNCTION uuid_at IS 'The lowest UUIDv7 of a moment; orders by time are orders by id';

-- Where the sweeps that walk along the orders have got to.
CREATE TABLE watermarks (
    name     text PRIMARY KEY,
    order_id uuid NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE watermarks IS 'How far the sweeps (orphans, audit) have walked along the orders; what lies behind is not read again';
COMMENT ON COLUMN watermarks.order_id IS 'The last order that was looked at';
