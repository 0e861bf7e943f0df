-- Gives river_job the indexes that River's migrations give it: those that our migrations drop come back, and others go.
CREATE INDEX IF NOT EXISTS river_job_kind ON river_job (kind);
CREATE INDEX IF NOT EXISTS river_job_state_and_finalized_at_index ON river_job (state, finalized_at) WHERE finalized_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS river_job_prioritized_fetching_index ON river_job (state, queue, priority, scheduled_at, id);
CREATE INDEX IF NOT EXISTS river_job_args_index ON river_job USING gin (args);
CREATE INDEX IF NOT EXISTS river_job_metadata_index ON river_job USING gin (metadata);

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT indexname
        FROM pg_indexes
        WHERE schemaname = current_schema()
            AND tablename = 'river_job'
            AND indexname NOT IN (
                'river_job_pkey', 'river_job_unique_idx', 'river_job_kind', 'river_job_state_and_finalized_at_index',
                'river_job_prioritized_fetching_index', 'river_job_args_index', 'river_job_metadata_index'
            )
    LOOP
        EXECUTE format('DROP INDEX %I', name);
    END LOOP;
END
$$;
