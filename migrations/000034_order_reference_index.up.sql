-- runs outside a transaction, and may run twice
-- A client has one order of a reference. An order without a reference costs nothing.
DROP INDEX CONCURRENTLY IF EXISTS orders_reference_idx;
CREATE UNIQUE INDEX CONCURRENTLY orders_reference_idx ON orders (client, reference) WHERE reference IS NOT NULL;
