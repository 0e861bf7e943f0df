-- title:    Failed jobs by kind
-- question: Which kinds of job have failed over the last day, how often, and with what error?
-- columns:
--   kind             kind of job; the kind that failed last comes first
--   failed_attempts  attempts that ended in an error, also of jobs that have succeeded since
--   retrying         jobs with a failed attempt that will run again
--   discarded        jobs given up after their last attempt
--   cancelled        jobs cancelled, by an error that no further attempt would mend or by an operator
--   newest_error     the first 200 characters of the newest error; null if there was none
--   last_at          when that was, UTC

SELECT
    job.kind,
    count(failure.at) AS failed_attempts,
    count(DISTINCT job.id) FILTER (WHERE job.finalized_at IS NULL) AS retrying,
    count(DISTINCT job.id) FILTER (WHERE job.state = 'discarded') AS discarded,
    count(DISTINCT job.id) FILTER (WHERE job.state = 'cancelled') AS cancelled,
    (array_agg(failure.error ORDER BY failure.at DESC NULLS LAST))[1] AS newest_error,
    max(failure.at) AS last_at
FROM river_job AS job
-- Left: a job that an operator has cancelled may never have failed.
LEFT JOIN LATERAL (
    SELECT
        (attempt->>'at')::timestamptz AS at,
        left(attempt->>'error', 200) AS error
    FROM unnest(job.errors) AS attempt
    WHERE (attempt->>'at')::timestamptz >= now() - interval '1 day'
) AS failure ON true
WHERE failure.at IS NOT NULL
    OR (job.state IN ('discarded', 'cancelled') AND job.finalized_at >= now() - interval '1 day')
GROUP BY job.kind
ORDER BY last_at DESC NULLS LAST, kind;
