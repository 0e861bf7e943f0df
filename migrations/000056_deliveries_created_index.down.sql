DROP INDEX deliveries_created_idx;
