-- Of one order in twenty, the first run of the notification fails, in any batch.
CREATE FUNCTION fail_first_run() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM order_jobs
        JOIN live_jobs ON live_jobs.unique_key = ANY(order_jobs.unique_keys)
        WHERE order_id = NEW.order_id
            AND order_jobs.kind = 'notification'
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
