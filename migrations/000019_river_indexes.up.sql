-- Migration 9 dropped these indexes of River's. They are back, as orders share jobs and the table has few rows. River UI finds jobs by kind, args and metadata
-- again. The jobs of an order: args @> '{"order_id": "…"}', or @> '{"order_ids": ["…"]}'.
CREATE INDEX IF NOT EXISTS river_job_kind ON river_job USING btree (kind);
CREATE INDEX IF NOT EXISTS river_job_args_index ON river_job USING gin (args);
CREATE INDEX IF NOT EXISTS river_job_metadata_index ON river_job USING gin (metadata);
