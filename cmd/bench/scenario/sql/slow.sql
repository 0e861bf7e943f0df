-- Of one order in twenty, the first run of the notification fails, in any batch.
CREATE FUNCTION fail_first_run() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM live_jobs
        WHERE unique_key = job_key('notification', NEW.order_id, NEW.template)
            AND attempt = 1
    ) THEN
        RAISE EXCEPTION 'the mail server is away';
    END IF;

    RETURN NEW;
END
$$;

CREATE TRIGGER fail_first_run
BEFORE INSERT ON notifications
FOR EACH ROW
WHEN (abs(hashtext(NEW.order_id::text) % 20) = 0)
EXECUTE FUNCTION fail_first_run();
