-- An act of an operator may have an id, so that sending it again changes nothing.
CREATE TABLE operations (
    id           uuid PRIMARY KEY,
    act          text NOT NULL,
    request_hash bytea,
    result       jsonb NOT NULL,
    actor        text NOT NULL,
    at           timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE operations IS 'Acts of operators by their operation id: repeating one returns its result and changes nothing';
COMMENT ON COLUMN operations.request_hash IS 'SHA-256 of the request: the id is refused with another one. Null for acts from before this table.';
COMMENT ON COLUMN operations.result IS 'What came of each dead letter';

INSERT INTO operations (id, act, result, actor, at)
SELECT
    operation_id,
    'redrive',
    jsonb_agg(jsonb_build_object('job_id', job_id, 'outcome', outcome, 'new_job_id', new_job_id) ORDER BY id),
    min(actor),
    min(at)
FROM redrives
WHERE actor <> 'compensate'
GROUP BY operation_id;

-- The job of a resolved letter is deleted, so that River UI's counts of discarded and cancelled jobs are those of the open
-- letters, and nobody retries by hand what was resolved. SKIP LOCKED: a job that is being retried at this moment stays.
CREATE FUNCTION settle_dead_job() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    DELETE FROM river_job
    WHERE id IN (
        SELECT id
        FROM river_job
        WHERE id = NEW.job_id
            AND state IN ('discarded', 'cancelled')
        FOR UPDATE SKIP LOCKED
    );

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION settle_dead_job IS 'Deletes the dead job of a letter that is resolved';

CREATE TRIGGER dead_letters_settle
AFTER UPDATE OF resolved_at ON dead_letters
FOR EACH ROW
WHEN (OLD.resolved_at IS NULL AND NEW.resolved_at IS NOT NULL)
EXECUTE FUNCTION settle_dead_job();

-- River UI's Retry, or SQL, makes a dead job live again. Its letter is redriven then, with the job itself as the new job.
-- It must never raise, as keep_dead_letter.
CREATE FUNCTION redrive_by_hand() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    UPDATE dead_letters
    SET resolved_at = now(),
        resolution = 'redriven',
        resolved_by = 'by hand',
        note = 'retried in River UI or with SQL'
    WHERE job_id = NEW.id;

    IF FOUND THEN
        INSERT INTO redrives (operation_id, job_id, outcome, new_job_id, actor, note)
        VALUES (gen_random_uuid(), NEW.id, 'redriven', NEW.id, 'by hand', 'retried in River UI or with SQL');
    END IF;

    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'the letter of job %, which was retried by hand, stays as it is: %', NEW.id, SQLERRM;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION redrive_by_hand IS 'Resolves the letter of a dead job that is live again. It never raises.';

CREATE TRIGGER dead_letters_retried
AFTER UPDATE OF state ON river_job
FOR EACH ROW
WHEN (OLD.state IN ('discarded', 'cancelled') AND NEW.state NOT IN ('discarded', 'cancelled'))
EXECUTE FUNCTION redrive_by_hand();

-- A dead shared job has left a dead job for each of its orders, and is no work of its own any more.
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

-- What was resolved, or split, before this migration.
DELETE FROM river_job
USING dead_letters
WHERE river_job.id = dead_letters.job_id
    AND dead_letters.resolved_at IS NOT NULL
    AND river_job.state IN ('discarded', 'cancelled');

DELETE FROM river_job
WHERE state IN ('discarded', 'cancelled')
    AND args ? 'order_ids'
    AND NOT EXISTS (SELECT FROM dead_letters WHERE dead_letters.job_id = river_job.id);

COMMENT ON COLUMN redrives.new_job_id IS 'The job that has the letter''s work now: the letter''s own job if it was retried by hand. Null unless the outcome is redriven.';
