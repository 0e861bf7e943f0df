DROP INDEX products_low_idx;
