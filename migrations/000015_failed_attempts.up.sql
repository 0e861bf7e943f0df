-- A job is deleted soon after it has succeeded, and with it the errors of its failed attempts. Reports count them over a day.
CREATE TABLE job_failures (
    kind  text NOT NULL,
    at    timestamptz NOT NULL,
    error text NOT NULL
);

COMMENT ON TABLE job_failures IS 'Failed attempts of jobs that were deleted from river_job. Job prune deletes them after two days.';
COMMENT ON COLUMN job_failures.kind IS 'The job''s kind; that of a job that orders share has _batch behind the step''s name';
COMMENT ON COLUMN job_failures.error IS 'The first 200 characters of the error';

CREATE INDEX job_failures_at_idx ON job_failures (at);

-- It must never raise: a job that cannot be deleted would be deleted again and again.
CREATE FUNCTION keep_failures() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO job_failures (kind, at, error)
    SELECT OLD.kind, (attempt ->> 'at')::timestamptz, left(coalesce(attempt ->> 'error', ''), 200)
    FROM unnest(OLD.errors) AS attempt
    WHERE (attempt ->> 'at')::timestamptz > now() - interval '2 days';

    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'failed attempts of job % are not kept: %', OLD.id, SQLERRM;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION keep_failures IS 'Keeps the failed attempts of a job that is deleted. It never raises.';

-- Nearly all jobs have no errors. They pay for the condition only.
CREATE TRIGGER job_failures_keep
AFTER DELETE ON river_job
FOR EACH ROW
WHEN (cardinality(OLD.errors) > 0)
EXECUTE FUNCTION keep_failures();

COMMENT ON COLUMN payments.reference IS 'The payment provider''s name for the payment';
COMMENT ON COLUMN dead_letters.signature IS 'The kind and the error without ids, numbers and addresses: error_signature(kind, error). Letters of one cause have the same.';
COMMENT ON COLUMN dead_letters.attention_at IS 'Since when an operator must decide; null while the system may still repair it';
COMMENT ON TABLE dead_letters IS 'Jobs that River has given up, written by a trigger on river_job in the same transaction. Rows are never deleted; River''s own may be.';
COMMENT ON COLUMN dead_letters.resolved_by IS 'Who resolved it; note says why';
COMMENT ON VIEW inventory_effects IS 'The effects of step inventory, with the columns of step_effects. The step counts as done when the order has any row: invariant stock-taken finds an order that has lost one of several.';
