DROP INDEX river_job_order_idx;
