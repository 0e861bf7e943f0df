CREATE TABLE orders (
    id            uuid PRIMARY KEY,
    user_id       text NOT NULL,
    status        text NOT NULL CHECK (status IN
                  ('pending', 'awaiting_payment', 'confirmed', 'rejected', 'expired', 'cancelled', 'failed')),
    status_reason text NOT NULL DEFAULT '',
    currency      text NOT NULL,
    total         bigint NOT NULL CHECK (total >= 0),
    hold_until    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE orders IS 'One row an order. Steps are not columns: they are derived from the ledgers and river_job.';
COMMENT ON COLUMN orders.id IS 'UUIDv7: sorts by the time of placing, so lists page by it';
COMMENT ON COLUMN orders.status IS 'rejected, expired, cancelled and failed are final and net to zero';
COMMENT ON COLUMN orders.status_reason IS 'Why the status is what it is; empty on the happy road';
COMMENT ON COLUMN orders.currency IS 'ISO 4217 code, the same for all lines';
COMMENT ON COLUMN orders.total IS 'Sum of the lines in minor units';
COMMENT ON COLUMN orders.hold_until IS 'Deadline of payment of a held order, else null';
COMMENT ON COLUMN orders.updated_at IS 'When the status last changed';

-- A customer's orders, newest first.
CREATE INDEX orders_user_idx ON orders (user_id, id);
-- Orders by status, but for the one that nearly all have: a list of those walks the primary key.
CREATE INDEX orders_status_idx ON orders (status, id) WHERE status <> 'confirmed';

CREATE TABLE order_lines (
    order_id   uuid NOT NULL REFERENCES orders (id),
    sku        text NOT NULL,
    quantity   bigint NOT NULL CHECK (quantity > 0),
    unit_price bigint NOT NULL CHECK (unit_price >= 0),
    PRIMARY KEY (order_id, sku)
);

COMMENT ON TABLE order_lines IS 'What an order asks for';
COMMENT ON COLUMN order_lines.sku IS 'A product. No foreign key: products are never deleted, and the key''s row lock on a product that everybody orders would make placing wait for the stock updates.';
COMMENT ON COLUMN order_lines.unit_price IS 'Minor units, as priced when the order was placed';

CREATE TABLE idempotency_keys (
    scope        text NOT NULL,
    key          text NOT NULL,
    request_hash bytea NOT NULL,
    order_id     uuid NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, key)
);

COMMENT ON TABLE idempotency_keys IS 'Idempotency-Keys of the last 24 hours, each written in the transaction of its order';
COMMENT ON COLUMN idempotency_keys.scope IS 'Whose key it is: the operation';
COMMENT ON COLUMN idempotency_keys.request_hash IS 'SHA-256 of the decoded request: the same key with another request is refused';

-- The prune job walks it from the old end.
CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);
