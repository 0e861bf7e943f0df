DROP TRIGGER dead_letters_keep_inserted ON river_job;

CREATE OR REPLACE FUNCTION keep_dead_letter() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    newest jsonb := NEW.errors[array_upper(NEW.errors, 1)];
    class text;
BEGIN
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

-- Each order gets jobs of its own again: a program of before does not know the jobs that orders share.
INSERT INTO river_job (
    state, attempt, max_attempts, attempted_at, attempted_by, scheduled_at, priority, args, kind, queue, tags, errors, metadata,
    unique_key, unique_states
)
SELECT
    job.state, job.attempt, job.max_attempts, job.attempted_at, job.attempted_by, job.scheduled_at, job.priority,
    job_args(s.order_id, s.template), s.step, job.queue, job.tags, job.errors, job.metadata,
    job_key(s.step, s.order_id, s.template), job.unique_states
FROM undone_steps AS s
JOIN live_jobs AS shared ON shared.unique_key = batch_job_key(s.step, s.batch_id)
JOIN river_job AS job ON job.id = shared.id
ON CONFLICT DO NOTHING;

DELETE FROM river_job
WHERE kind LIKE '%\_batch';

DROP FUNCTION split_dead_job;
DROP FUNCTION job_args;
DROP VIEW order_jobs;
DROP VIEW open_steps;
DROP VIEW undone_steps;
DROP VIEW due_steps;
DROP FUNCTION job_keys;
DROP FUNCTION batch_job_key;

CREATE VIEW due_steps AS
SELECT
    orders.id AS order_id,
    steps.name AS step,
    steps.template,
    orders.status,
    orders.updated_at
FROM orders
JOIN steps ON orders.status = ANY(steps.due_in)
    AND (NOT steps.after_payment OR orders.hold_until IS NULL OR orders.status = 'confirmed')
    AND (steps.since IS NULL OR orders.id >= uuid_at(steps.since));

COMMENT ON VIEW due_steps IS 'The steps that each order must have in its status, or will get';

CREATE VIEW undone_steps AS
SELECT order_id, step, template, status, updated_at
FROM due_steps
WHERE NOT EXISTS (
    SELECT
    FROM step_effects
    WHERE step_effects.order_id = due_steps.order_id
        AND step_effects.step = due_steps.step
        AND step_effects.template = due_steps.template
    OFFSET 0
);

COMMENT ON VIEW undone_steps IS 'The due steps that their ledger does not have yet';

CREATE VIEW open_steps AS
SELECT order_id, step, template, status, updated_at
FROM undone_steps
WHERE NOT EXISTS (
        SELECT
        FROM live_jobs
        WHERE unique_key = job_key(undone_steps.step, undone_steps.order_id, undone_steps.template)
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

COMMENT ON VIEW open_steps IS 'The undone steps that nothing will do: no live job, and no dead letter that is open or was dismissed. There should be none.';

CREATE VIEW order_job_kinds AS
SELECT name AS kind, template
FROM steps
UNION ALL
SELECT 'expire', '';

COMMENT ON VIEW order_job_kinds IS 'The jobs that an order may have: job_key(kind, order_id, template) finds each in live_jobs';

COMMENT ON VIEW live_jobs IS 'The jobs that have not ended. Find those of an order by unique_key = job_key(kind, order_id, template), with kind and template from order_job_kinds: a search by args reads the whole table.';
COMMENT ON COLUMN live_jobs.unique_key IS 'River''s: job_key() of the order''s work';

ALTER TABLE orders DROP COLUMN batch_id;
