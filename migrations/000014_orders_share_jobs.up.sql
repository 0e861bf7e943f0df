-- Orders that are placed in one transaction share one job a step. The job has the step's name with _batch behind it, and
-- args {"batch_id": …, "order_ids": […]}. River's unique key of it is made of batch_id only, so that an order finds it.
ALTER TABLE orders ADD COLUMN batch_id uuid;

COMMENT ON COLUMN orders.batch_id IS 'The first of the orders that share the jobs of their steps; null when the order''s jobs are its own';

CREATE FUNCTION batch_job_key(step text, batch_id uuid) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(replace('&kind=' || step || '_batch&args={"batch_id":"' || batch_id::text || '"}', '\', '\\')::bytea);

COMMENT ON FUNCTION batch_job_key IS 'The unique key that River gives the job that orders share for a step; null without a batch';

CREATE FUNCTION job_keys(kind text, order_id uuid, template text, batch_id uuid) RETURNS bytea[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[job_key(kind, order_id, template), batch_job_key(kind, batch_id)];

COMMENT ON FUNCTION job_keys IS 'The unique keys of the jobs that may do an order''s work: a job of its own, and the job that it shares. Live ones: FROM live_jobs WHERE unique_key = ANY(job_keys(…))';

CREATE FUNCTION job_args(order_id uuid, template text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object('order_id', order_id) || CASE template WHEN '' THEN '{}' ELSE jsonb_build_object('template', template) END;

COMMENT ON FUNCTION job_args IS 'The args of a job of an order''s own';

-- A held order has no part in the shared job of a step that waits for its payment.
CREATE OR REPLACE VIEW due_steps AS
SELECT
    orders.id AS order_id,
    steps.name AS step,
    steps.template,
    orders.status,
    orders.updated_at,
    CASE WHEN NOT steps.after_payment OR orders.hold_until IS NULL THEN orders.batch_id END AS batch_id
FROM orders
JOIN steps ON orders.status = ANY(steps.due_in)
    AND (NOT steps.after_payment OR orders.hold_until IS NULL OR orders.status = 'confirmed')
    AND (steps.since IS NULL OR orders.id >= uuid_at(steps.since));

COMMENT ON COLUMN due_steps.batch_id IS 'The batch whose shared job may do the step; null when only a job of the order''s own does';

CREATE OR REPLACE VIEW undone_steps AS
SELECT order_id, step, template, status, updated_at, batch_id
FROM due_steps
WHERE NOT EXISTS (
    SELECT
    FROM step_effects
    WHERE step_effects.order_id = due_steps.order_id
        AND step_effects.step = due_steps.step
        AND step_effects.template = due_steps.template
    OFFSET 0
);

CREATE OR REPLACE VIEW open_steps AS
SELECT order_id, step, template, status, updated_at
FROM undone_steps
WHERE NOT EXISTS (
        SELECT
        FROM live_jobs
        WHERE unique_key = ANY(job_keys(undone_steps.step, undone_steps.order_id, undone_steps.template, undone_steps.batch_id))
        OFFSET 0
    )
    AND NOT EXISTS (
        SELECT
        FROM dead_letters
        WHERE dead_letters.order_id = undone_steps.order_id
            AND kind = undone_steps.step
            AND coalesce(args ->> 'template', '') = undone_steps.template
            AND (resolved_at IS NULL OR resolution = 'dismissed') -- an operator decided that nothing is to be done
        OFFSET 0
    );

DROP VIEW order_job_kinds;

CREATE VIEW order_jobs AS
SELECT
    orders.id AS order_id,
    kinds.kind,
    kinds.template,
    job_keys(
        kinds.kind,
        orders.id,
        kinds.template,
        CASE WHEN NOT kinds.after_payment OR orders.hold_until IS NULL THEN orders.batch_id END
    ) AS unique_keys
FROM orders
CROSS JOIN (
    SELECT name AS kind, template, after_payment
    FROM steps
    UNION ALL
    SELECT 'expire', '', true -- which each order has for itself
) AS kinds;

COMMENT ON VIEW order_jobs IS 'The jobs that each order may have. Its live ones: live_jobs with unique_key = ANY(unique_keys)';
COMMENT ON COLUMN order_jobs.kind IS 'The step, or expire. The job that orders share for a step has _batch behind it';

COMMENT ON VIEW live_jobs IS 'The jobs that have not ended. Find those of an order by unique_key = ANY(unique_keys), with unique_keys from order_jobs: a search by args reads the whole table.';
COMMENT ON COLUMN live_jobs.unique_key IS 'River''s: job_key() of the order''s work, or batch_job_key() of the work that orders share';

-- It reads ledgers, which may be locked. A statement that times out is an error that no exception block catches; a lock that
-- times out is one that it does.
CREATE FUNCTION split_dead_job(job river_job) RETURNS void
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
        AND step = regexp_replace(job.kind, '_batch$', '')
$$;

COMMENT ON FUNCTION split_dead_job IS 'Gives each order for which nothing else will do the step of a dead shared job a dead job of its own';

-- As before, but a shared job leaves no letter. It leaves a dead job for each of its orders, and each of these leaves a
-- letter. If that fails, the shared job leaves a letter without an order, and the missing-jobs scan finds its orders.
CREATE OR REPLACE FUNCTION keep_dead_letter() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    newest jsonb := NEW.errors[array_upper(NEW.errors, 1)];
    class text;
BEGIN
    IF jsonb_typeof(NEW.args -> 'order_ids') = 'array' THEN
        BEGIN
            PERFORM split_dead_job(NEW);

            RETURN NULL;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'shared job % leaves no dead letter of each order: %', NEW.id, SQLERRM;
        END;
    END IF;

    BEGIN
        class := failure_class(NEW.metadata, NEW.attempt::text);

        INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, code, attempts, reason, signature, redrives)
        VALUES (
            NEW.id,
            NEW.kind,
            NEW.queue,
            CASE WHEN NEW.args ->> 'order_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (NEW.args ->> 'order_id')::uuid END,
            NEW.args,
            coalesce((
                SELECT jsonb_agg(e.error || jsonb_build_object('code', failure_code(NEW.metadata, e.error ->> 'attempt')) ORDER BY e.n)
                FROM unnest(NEW.errors) WITH ORDINALITY AS e (error, n)
            ), '[]'),
            coalesce(newest ->> 'error', ''),
            CASE WHEN newest IS NULL THEN '' ELSE failure_code(NEW.metadata, newest ->> 'attempt') END,
            NEW.attempt,
            CASE
                WHEN NEW.metadata ? 'cancel_attempted_at' THEN 'cancelled'
                -- A worker cancels for these two classes only. With another class, the job failed before, and an operator cancelled it.
                WHEN NEW.state = 'cancelled' AND coalesce(class, '') NOT IN ('permanent', 'poison') THEN 'cancelled'
                ELSE coalesce(class, 'transient') -- River's rescuer gives no class
            END,
            error_signature(NEW.kind, coalesce(newest ->> 'error', '')),
            metadata_count(NEW.metadata, 'orders:redrives')
        )
        -- A job that was retried in River UI, and is dead again.
        ON CONFLICT (job_id) DO UPDATE
        SET args = EXCLUDED.args,
            errors = EXCLUDED.errors,
            error = EXCLUDED.error,
            code = EXCLUDED.code,
            attempts = EXCLUDED.attempts,
            reason = EXCLUDED.reason,
            signature = EXCLUDED.signature,
            dead_at = EXCLUDED.dead_at,
            attention_at = NULL,
            resolved_at = NULL,
            resolution = NULL,
            resolved_by = '',
            note = '';
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'dead letter of job % is kept in part only: %', NEW.id, SQLERRM;

        BEGIN
            INSERT INTO dead_letters (job_id, kind, queue, args, errors, error, code, attempts, reason, signature)
            VALUES (NEW.id, NEW.kind, NEW.queue, NEW.args, '[]', coalesce(newest ->> 'error', ''), 'internal', NEW.attempt, 'unknown', NEW.kind)
            ON CONFLICT (job_id) DO UPDATE
            SET resolved_at = NULL,
                resolution = NULL;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'dead letter of job % is not kept: %', NEW.id, SQLERRM;
        END;
    END;

    RETURN NULL;
END
$$;

-- A job may be inserted dead: that of an order which made a shared job fall apart, and those of a dead shared job.
CREATE TRIGGER dead_letters_keep_inserted
AFTER INSERT ON river_job
FOR EACH ROW
WHEN (NEW.state IN ('discarded', 'cancelled')
    AND NEW.queue <> 'maintenance'
    AND NOT NEW.metadata ? 'unique_key_conflict')
EXECUTE FUNCTION keep_dead_letter();
