DROP VIEW live_jobs;
DROP FUNCTION job_keys;
DROP FUNCTION job_key;

ALTER TABLE river_job RESET (
    autovacuum_vacuum_threshold,
    autovacuum_vacuum_scale_factor,
    autovacuum_analyze_threshold,
    autovacuum_analyze_scale_factor
);

CREATE INDEX river_job_order_idx ON river_job ((args ->> 'order_id'));
-- As River's own migration 2 makes them; somebody may have done so by hand in the meantime.
CREATE INDEX IF NOT EXISTS river_job_kind ON river_job USING btree (kind);
CREATE INDEX IF NOT EXISTS river_job_args_index ON river_job USING gin (args);
CREATE INDEX IF NOT EXISTS river_job_metadata_index ON river_job USING gin (metadata);
