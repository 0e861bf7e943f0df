DROP INDEX IF EXISTS order_events_at_idx;
