DROP TRIGGER dead_letters_keep ON river_job;

CREATE FUNCTION dead_letter_reason(state text, metadata jsonb, error text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN metadata ? 'cancel_attempted_at' THEN 'cancelled'
    WHEN metadata_count(metadata, 'river:rescue_count') + metadata_count(metadata, 'orders:returned') >= 3 THEN 'poison'
    WHEN error ~ '^(JobCancelError: |not-found:)' THEN 'permanent'
    WHEN state = 'cancelled' THEN 'cancelled' -- by hand: whoever works a job leaves an error
    WHEN error ~ '^(unavailable:|context deadline exceeded|Stuck job rescued)' THEN 'transient'
    ELSE 'unknown'
END;

COMMENT ON FUNCTION dead_letter_reason IS 'Why a job is dead, by how it ended and how its newest error begins: ours begin with their code';

CREATE OR REPLACE FUNCTION keep_dead_letter() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    newest text := '';
BEGIN
    BEGIN
        newest := coalesce(NEW.errors[array_upper(NEW.errors, 1)] ->> 'error', '');

        INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, redrives)
        VALUES (
            NEW.id,
            NEW.kind,
            NEW.queue,
            CASE WHEN NEW.args ->> 'order_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (NEW.args ->> 'order_id')::uuid END,
            NEW.args,
            to_jsonb(coalesce(NEW.errors, '{}')),
            newest,
            NEW.attempt,
            dead_letter_reason(NEW.state::text, NEW.metadata, newest),
            error_signature(NEW.kind, newest),
            metadata_count(NEW.metadata, 'orders:redrives')
        )
        -- A job that somebody has retried in River UI, and that is dead once more.
        ON CONFLICT (job_id) DO UPDATE
        SET args = EXCLUDED.args,
            errors = EXCLUDED.errors,
            error = EXCLUDED.error,
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
        RAISE WARNING 'dead letter of job % is not kept whole: %', NEW.id, SQLERRM;

        BEGIN
            INSERT INTO dead_letters (job_id, kind, queue, args, errors, error, attempts, reason, signature)
            VALUES (NEW.id, NEW.kind, NEW.queue, NEW.args, '[]', newest, NEW.attempt, 'unknown', NEW.kind)
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

CREATE TRIGGER dead_letters_keep
AFTER UPDATE ON river_job
FOR EACH ROW
WHEN (NEW.state IN ('discarded', 'cancelled')
    AND OLD.state NOT IN ('discarded', 'cancelled')
    AND NEW.kind NOT IN ('compensate', 'audit', 'prune')
    AND NOT NEW.metadata ? 'unique_key_conflict')
EXECUTE FUNCTION keep_dead_letter();

-- A column cannot be dropped from a view: the view is made anew, and the view that reads it.
DROP VIEW open_steps;
DROP VIEW live_jobs;

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

COMMENT ON VIEW live_jobs IS 'The jobs that have not ended. Find those of an order by unique_key = job_key(kind, order_id, template), with kind and template from order_job_kinds: a search by args reads the whole table.';
COMMENT ON COLUMN live_jobs.unique_key IS 'River''s: job_key() of the order''s work';

UPDATE river_job
SET metadata = metadata - 'orders:rescued' || jsonb_build_object('orders:returned', metadata -> 'orders:rescued')
WHERE state NOT IN ('completed', 'cancelled', 'discarded')
    AND metadata ? 'orders:rescued';

COMMENT ON COLUMN dead_letters.errors IS 'The errors of all attempts, as River recorded them';
COMMENT ON COLUMN dead_letters.reason IS 'transient: a fault that goes by itself. permanent: no try will do. poison: its processes died again and again. cancelled: somebody did it.';

ALTER TABLE dead_letters DROP COLUMN code;

DROP FUNCTION failure_class;
DROP FUNCTION failure_code;
