-- title:    Failed jobs by kind
-- question: Which kinds of job have failed, how often, and with what error?
-- parameters:
--   since  time  now-1d  attempts that failed from then on; single attempts are kept for two days, and report failures-by-hour has those before
--   until  time  -       and before
-- columns:
--   kind             kind of job; the kind that failed last comes first
--   failed_attempts  attempts that ended in an error, also of jobs that have succeeded or were deleted since
--   retrying         jobs with a failed attempt that will run again
--   discarded        jobs given up after their last attempt, also if they were redriven or resolved since
--   cancelled        jobs cancelled, by an error that no further attempt would mend or by an operator
--   newest_error     the first 200 characters of the newest error; null if there was none
--   last_at          when that was, UTC

WITH failures AS (
    SELECT
        job.kind,
        CASE WHEN job.finalized_at IS NULL THEN job.id END AS retrying,
        (failed.attempt->>'at')::timestamptz AS at,
        left(failed.attempt->>'error', 200) AS error
    FROM river_job AS job
    CROSS JOIN LATERAL unnest(job.errors) AS failed (attempt)
    WHERE (failed.attempt->>'at')::timestamptz >= report_time('since', now() - interval '1 day')
        AND (failed.attempt->>'at')::timestamptz < report_time('until', '9999-01-01Z')
    UNION ALL
    SELECT kind, NULL, at, error
    FROM job_failures
    WHERE at >= report_time('since', now() - interval '1 day')
        AND at < report_time('until', '9999-01-01Z')
), ends AS (
    SELECT kind, CASE WHEN reason IN ('cancelled', 'permanent', 'poison') THEN 'cancelled' ELSE 'discarded' END AS state
    FROM dead_letters
    WHERE dead_at >= report_time('since', now() - interval '1 day')
        AND dead_at < report_time('until', '9999-01-01Z')
    UNION ALL
    -- Sweeps leave no dead letter.
    SELECT kind, state::text
    FROM river_job
    WHERE state IN ('discarded', 'cancelled')
        AND finalized_at >= report_time('since', now() - interval '1 day')
        AND finalized_at < report_time('until', '9999-01-01Z')
        AND queue = 'maintenance'
), failed AS (
    SELECT
        kind,
        count(*) AS failed_attempts,
        count(DISTINCT retrying) AS retrying,
        (array_agg(error ORDER BY at DESC))[1] AS newest_error,
        max(at) AS last_at
    FROM failures
    GROUP BY kind
), ended AS (
    SELECT
        kind,
        count(*) FILTER (WHERE state = 'discarded') AS discarded,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled
    FROM ends
    GROUP BY kind
)
SELECT
    kind,
    coalesce(failed_attempts, 0) AS failed_attempts,
    coalesce(retrying, 0) AS retrying,
    coalesce(discarded, 0) AS discarded,
    coalesce(cancelled, 0) AS cancelled,
    newest_error,
    last_at
FROM failed
FULL JOIN ended USING (kind)
ORDER BY last_at DESC NULLS LAST, kind;
