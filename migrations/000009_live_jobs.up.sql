-- A job's row is written three times, as available, running and completed, and each time goes into every index of
-- river_job anew: these four were half of what an order costs Postgres. What finds the jobs of an order is River's unique index,
-- which holds just the jobs that are not over. River UI loses little: its lists read a state in the order of the index that
-- River fetches by, but picking a kind passes over the jobs of the others, and its list of kinds reads the whole table.
-- River's own JobList does so, too, when it is asked for metadata or args. River itself asks for neither; its nightly reindexer
-- warns that it does not find them and goes on.
DROP INDEX IF EXISTS river_job_kind;
DROP INDEX IF EXISTS river_job_args_index;
DROP INDEX IF EXISTS river_job_metadata_index;
DROP INDEX river_job_order_idx;

-- Each job leaves two dead rows, and a third once it is deleted. Vacuum must keep up, so it begins
-- by their number rather than by a share of what may be a long backlog. Statistics go stale as fast.
ALTER TABLE river_job SET (
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_analyze_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.01
);

-- The cast to bytea takes a backslash for an escape, hence two of them.
CREATE FUNCTION job_key(kind text, order_id uuid, template text DEFAULT '') RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(replace(
    '&kind=' || kind || '&args={"order_id":"' || order_id::text || CASE template WHEN '' THEN '' ELSE '","template":"' || template END || '"}',
    '\', '\\')::bytea);

COMMENT ON FUNCTION job_key IS 'The unique key that River gives the job of an order: of its kind, and of what makes its args unique, sorted by name';

CREATE FUNCTION job_keys(order_id uuid) RETURNS bytea[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[
    job_key('inventory', order_id),
    job_key('points', order_id),
    job_key('expire', order_id),
    job_key('notification', order_id, 'created'),
    job_key('notification', order_id, 'rejected'),
    job_key('notification', order_id, 'cancelled'),
    job_key('notification', order_id, 'expired'),
    job_key('notification', order_id, 'failed')
];

COMMENT ON FUNCTION job_keys IS 'The unique keys of all jobs that an order may have, to find those that are not over: FROM live_jobs WHERE unique_key = ANY(job_keys(order_id)), a look an order';

-- The first three conditions are those of river_job_unique_idx, word by word, so that it is used. The last is for jobs
-- that are unique for longer than they live: the periodic ones, and those of before this migration. It does not say
-- the states, which would lead the planner to the index of those.
CREATE VIEW live_jobs AS
SELECT
    id,
    kind,
    queue,
    state,
    priority,
    attempt,
    scheduled_at,
    attempted_at,
    attempted_by,
    args,
    errors,
    unique_key
FROM river_job
WHERE unique_key IS NOT NULL
    AND unique_states IS NOT NULL
    AND river_job_state_in_bitmask(unique_states, state)
    AND finalized_at IS NULL;

COMMENT ON VIEW live_jobs IS 'The jobs that are not over. Those of an order are found by job_keys(order_id): by args, the whole table is read.';
COMMENT ON COLUMN live_jobs.unique_key IS 'River''s: job_key() of the order''s work';
