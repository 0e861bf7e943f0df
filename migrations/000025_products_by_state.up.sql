-- runs outside a transaction, and may run twice
-- A page of the products that can be ordered must not read those that cannot, and the other way round. Stock is in
-- neither index nor condition, so its updates stay heap-only.
DROP INDEX CONCURRENTLY IF EXISTS products_active_idx;
CREATE INDEX CONCURRENTLY products_active_idx ON products (sku) WHERE archived_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS products_archived_idx;
CREATE INDEX CONCURRENTLY products_archived_idx ON products (sku) WHERE archived_at IS NOT NULL;
