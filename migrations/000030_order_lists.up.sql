-- runs outside a transaction, and may run twice
-- For GET /orders with sku: a product's orders, newest first.
DROP INDEX CONCURRENTLY IF EXISTS order_lines_sku_idx;
CREATE INDEX CONCURRENTLY order_lines_sku_idx ON order_lines (sku, order_id);
-- And with updated_from. A pending order has not changed since it was placed, and is found by its id. So a usual order costs
-- one entry and not two.
DROP INDEX CONCURRENTLY IF EXISTS orders_updated_idx;
CREATE INDEX CONCURRENTLY orders_updated_idx ON orders (updated_at, id) WHERE status <> 'pending';
