-- A worker logs each dead letter once, whoever gave the job up. The default for existing rows is cheap; new rows have null.
ALTER TABLE dead_letters ADD COLUMN announced_at timestamptz DEFAULT now();
ALTER TABLE dead_letters ALTER COLUMN announced_at DROP DEFAULT;

COMMENT ON COLUMN dead_letters.announced_at IS 'When a worker logged the letter; null while none has';

CREATE INDEX dead_letters_unannounced_idx ON dead_letters (dead_at, job_id) WHERE announced_at IS NULL AND resolved_at IS NULL;

-- As before, and a letter whose job was retried is announced again when the job dies again.
CREATE OR REPLACE FUNCTION redrive_by_hand() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    UPDATE dead_letters
    SET resolved_at = now(),
        resolution = 'redriven',
        resolved_by = 'by hand',
        note = 'retried in River UI or with SQL',
        announced_at = NULL
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
