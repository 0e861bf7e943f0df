-- A worker writes, for each attempt that fails, the error's code and class into the job's metadata:
--     {"orders:failures": {"3": {"code": "unavailable", "class": "transient"}}}
-- so that they need not be parsed from the error's text. An attempt without an entry was not ended by a worker, but by
-- River's rescuer or by an operator.
CREATE FUNCTION failure_code(metadata jsonb, attempt text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(metadata -> 'orders:failures' -> attempt ->> 'code', 'internal');

COMMENT ON FUNCTION failure_code IS 'The code of the error that ended a job''s attempt';

CREATE FUNCTION failure_class(metadata jsonb, attempt text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN metadata -> 'orders:failures' -> attempt ->> 'class';

COMMENT ON FUNCTION failure_class IS 'The class of the error that ended a job''s attempt: transient, permanent, poison or unknown; null when no worker ended it';

ALTER TABLE dead_letters ADD COLUMN code text NOT NULL DEFAULT '';

COMMENT ON COLUMN dead_letters.code IS 'The newest error''s code, as the worker gave it; empty when there is no error';
COMMENT ON COLUMN dead_letters.errors IS 'The errors of all attempts, as River recorded them, each with its code';
COMMENT ON COLUMN dead_letters.reason IS 'transient: a fault that passes by itself. permanent: no further attempt can succeed. poison: the processes that ran it died again and again. cancelled: an operator did it.';

UPDATE dead_letters
SET code = CASE
    WHEN error = '' THEN ''
    WHEN error ~ '^unavailable:' THEN 'unavailable'
    WHEN error ~ '^(JobCancelError: )?not-found:' THEN 'not-found'
    ELSE 'internal'
END;

-- Jobs that were rescued under the old name.
UPDATE river_job
SET metadata = metadata - 'orders:returned' || jsonb_build_object('orders:rescued', metadata -> 'orders:returned')
WHERE state NOT IN ('completed', 'cancelled', 'discarded')
    AND metadata ? 'orders:returned';

CREATE OR REPLACE VIEW live_jobs AS
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
    unique_key,
    metadata,
    CASE
        WHEN coalesce(array_length(errors, 1), 0) = 0 THEN ''
        ELSE failure_code(metadata, errors[array_upper(errors, 1)] ->> 'attempt')
    END AS code
FROM river_job
WHERE unique_key IS NOT NULL
    AND unique_states IS NOT NULL
    AND river_job_state_in_bitmask(unique_states, state)
    AND finalized_at IS NULL;

COMMENT ON COLUMN live_jobs.code IS 'The newest error''s code; empty when no attempt has failed';

DROP FUNCTION dead_letter_reason;

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

-- No work is lost, so there is no letter, when the job is a periodic sweep, which the next period repeats (only sweeps are
-- on the maintenance queue), and when the scheduler drops a job because another job has its unique key.
DROP TRIGGER dead_letters_keep ON river_job;

CREATE TRIGGER dead_letters_keep
AFTER UPDATE ON river_job
FOR EACH ROW
WHEN (NEW.state IN ('discarded', 'cancelled')
    AND OLD.state NOT IN ('discarded', 'cancelled')
    AND NEW.queue <> 'maintenance'
    AND NOT NEW.metadata ? 'unique_key_conflict')
EXECUTE FUNCTION keep_dead_letter();
