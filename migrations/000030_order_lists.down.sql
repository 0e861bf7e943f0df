DROP INDEX IF EXISTS orders_updated_idx;
DROP INDEX IF EXISTS order_lines_sku_idx;
