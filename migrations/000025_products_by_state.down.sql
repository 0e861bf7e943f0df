DROP INDEX IF EXISTS products_archived_idx;
DROP INDEX IF EXISTS products_active_idx;
