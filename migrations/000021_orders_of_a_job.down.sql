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
        job.priority, job_args(order_id, template), step, job.queue, job.tags, job.errors, job.metadata,
        job_key(step, order_id, template), job.unique_states
    FROM open_steps
    WHERE order_id = ANY(ARRAY(SELECT id::uuid FROM jsonb_array_elements_text(job.args -> 'order_ids') AS listed (id)))
        AND step = regexp_replace(job.kind, '_batch$', '');

    DELETE FROM river_job
    WHERE id = job.id;
$$;

DROP FUNCTION orders_of_job;
