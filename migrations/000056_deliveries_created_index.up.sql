-- runs outside a transaction, and may run twice
-- programs work without it
DROP INDEX CONCURRENTLY IF EXISTS deliveries_created_idx;
-- Report deliveries reads a period. Rows are appended, so their pages have their times, and a row costs next to nothing here.
CREATE INDEX CONCURRENTLY deliveries_created_idx ON deliveries USING brin (created_at) WITH (pages_per_range = 32);
