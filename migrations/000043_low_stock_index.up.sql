-- runs outside a transaction, and may run twice
-- programs work without it
DROP INDEX CONCURRENTLY IF EXISTS products_low_idx;
CREATE INDEX CONCURRENTLY products_low_idx ON products (sku) WHERE low_stock > 0;
