DROP INDEX IF EXISTS orders_reference_idx;
