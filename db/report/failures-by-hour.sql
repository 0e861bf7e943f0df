-- title:    Failed attempts by hour and cause
-- question: Which attempts have failed in each hour, and with what error?
-- parameters:
--   since  time  now-1d  attempts that failed from then on; they are kept for 35 days, and after two days by the hour
--   until  time  -       and before
-- columns:
--   hour          in which they failed, UTC; the newest first
--   kind          kind of job; one that orders share has _batch behind the step's name
--   signature     the error without ids, numbers and addresses
--   attempts      failed attempts, also of jobs that have succeeded or were deleted since
--   newest_error  the first 200 characters of the newest error
--   newest_at     when that was, UTC

WITH attempts AS (
    SELECT
        job.kind,
        (failed.attempt->>'at')::timestamptz AS at,
        left(failed.attempt->>'error', 200) AS error
    FROM river_job AS job
    CROSS JOIN LATERAL unnest(job.errors) AS failed (attempt)
    WHERE (failed.attempt->>'at')::timestamptz >= report_time('since', now() - interval '1 day')
        AND (failed.attempt->>'at')::timestamptz < report_time('until', '9999-01-01Z')
    UNION ALL
    SELECT kind, at, error
    FROM job_failures
    WHERE at >= report_time('since', now() - interval '1 day')
        AND at < report_time('until', '9999-01-01Z')
), counts AS (
    SELECT
        date_trunc('hour', at, 'UTC') AS hour,
        kind,
        error_signature(kind, error) AS signature,
        count(*) AS attempts,
        max(at) AS newest_at,
        (array_agg(error ORDER BY at DESC))[1] AS newest_error
    FROM attempts
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT hour, kind, signature, attempts, newest_at, newest_error
    FROM job_failures_by_hour
    WHERE hour >= date_trunc('hour', report_time('since', now() - interval '1 day'), 'UTC')
        AND hour < report_time('until', '9999-01-01Z')
)
SELECT
    hour,
    kind,
    signature,
    sum(attempts)::bigint AS attempts,
    (array_agg(newest_error ORDER BY newest_at DESC))[1] AS newest_error,
    max(newest_at) AS newest_at
FROM counts
GROUP BY hour, kind, signature
ORDER BY hour DESC, attempts DESC, kind, signature;
