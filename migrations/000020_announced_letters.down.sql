CREATE OR REPLACE FUNCTION redrive_by_hand() RETURNS trigger
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

DROP INDEX dead_letters_unannounced_idx;

ALTER TABLE dead_letters DROP COLUMN announced_at;
