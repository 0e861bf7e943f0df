-- runs outside a transaction, and may run twice
-- For job stats: the orders that ended in a minute. A happy order has no events.
DROP INDEX CONCURRENTLY IF EXISTS order_events_at_idx;
CREATE INDEX CONCURRENTLY order_events_at_idx ON order_events USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
