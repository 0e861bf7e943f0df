-- runs outside a transaction, and may run twice
-- programs work without it
DROP INDEX CONCURRENTLY IF EXISTS deliveries_state_idx;
-- What is not sent is little, and read by state. A delivery that is sent at once costs nothing here.
CREATE INDEX CONCURRENTLY deliveries_state_idx ON deliveries (state, id) WHERE state <> 'sent';
