-- What other services may learn, in the order in which it became true. The transactions that make it true write it, one row
-- for up to 120 orders of one type: such a row stays below the size at which Postgres would compress it and store it elsewhere.
CREATE TABLE events (
    seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    type      text NOT NULL,
    order_ids uuid[] NOT NULL
);

-- Rows are only appended, and deleted in their order: by insertions alone, vacuum finds pages that index-only scans may trust.
ALTER TABLE events SET (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000);

COMMENT ON TABLE events IS 'What became true of orders, for other services, in its order. Job prune deletes it after ORDERS_KEEP_EVENTS.';
COMMENT ON COLUMN events.seq IS 'The position. It is drawn after the transaction has its id, and has its orders locked: see package db/event';
COMMENT ON COLUMN events.at IS 'When the transaction began that made it true';
COMMENT ON COLUMN events.type IS 'Such as order.confirmed: package db/event lists them';
COMMENT ON COLUMN events.order_ids IS 'One event for each of these orders';

-- How far events have been deleted: a reader that was away for longer is told so.
CREATE TABLE event_horizon (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    pruned  bigint NOT NULL DEFAULT 0
);

INSERT INTO event_horizon DEFAULT VALUES;

COMMENT ON TABLE event_horizon IS 'One row: how far the table events has been deleted';
COMMENT ON COLUMN event_horizon.pruned IS 'The last seq that was deleted; 0 for none';
