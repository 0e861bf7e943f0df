-- People and the admission controller count orders, of which a job may have many. Programs write the number into the metadata
-- of a shared job: args hold all ids, and Postgres keeps them outside the row. Jobs of before are counted by their args.
CREATE FUNCTION orders_of_job(kind text, metadata jsonb, args jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN right(kind, 6) <> '_batch' THEN CASE WHEN args ? 'order_id' THEN 1 ELSE 0 END
    WHEN metadata_count(metadata, 'orders:count') > 0 THEN metadata_count(metadata, 'orders:count')
    WHEN jsonb_typeof(args -> 'order_ids') = 'array' THEN jsonb_array_length(args -> 'order_ids')
    ELSE 0
END;

COMMENT ON FUNCTION orders_of_job IS 'How many orders a job is for; 0 for a periodic job';

-- As before, but the dead job of one order does not have the number of orders of the shared job.
CREATE OR REPLACE FUNCTION split_dead_job(job river_job) RETURNS void
LANGUAGE sql
SET search_path FROM CURRENT
SET lock_timeout = '1s'
AS $$
    INSERT INTO river_job (
        state, attempt, max_attempts, attempted_at, attempted_by, scheduled_at, finalized_at, priority, args, kind, queue,
        tags, errors, metadata, unique_key, unique_states
    )
    SELECT
        job.state, job.attempt, job.max_attempts, job.attempted_at, job.attempted_by, job.scheduled_at, job.finalized_at,
        job.priority, job_args(order_id, template), step, job.queue, job.tags, job.errors, job.metadata - 'orders:count',
        job_key(step, order_id, template), job.unique_states
    FROM open_steps
    WHERE order_id = ANY(ARRAY(SELECT id::uuid FROM jsonb_array_elements_text(job.args -> 'order_ids') AS listed (id)))
        AND step = regexp_replace(job.kind, '_batch$', '');

    DELETE FROM river_job
    WHERE id = job.id;
$$;
