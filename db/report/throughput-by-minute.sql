-- title:    Throughput by minute
-- question: How many orders came in, settled and were refused in each minute, and is the queue growing?
-- parameters:
--   since  time  now-1h  minutes from then on
--   until  time  -       and before
-- columns:
--   minute     its start, UTC; the newest first, and counted at least once a minute
--   placed     orders that were placed in it
--   settled    orders whose last step was done in it, or that ended in it before that
--   growth     placed - settled: above zero the work that waits has grown
--   refused    requests that were refused in it because of overload
--   rejected   orders that were rejected in it, for lack of stock
--   cancelled  orders that were cancelled in it
--   expired    orders that expired in it
--   failed     orders that failed in it

WITH refusals AS (
    SELECT minute, sum(refused)::bigint AS refused
    FROM stats_refusals
    WHERE minute >= report_time('since', now() - interval '1 hour')
        AND minute < report_time('until', '9999-01-01Z')
    GROUP BY minute
), counts AS (
    SELECT minute, placed, settled, rejected, cancelled, expired, failed
    FROM stats_minutes
    WHERE minute >= report_time('since', now() - interval '1 hour')
        AND minute < report_time('until', '9999-01-01Z')
)
SELECT
    minute,
    coalesce(placed, 0) AS placed,
    coalesce(settled, 0) AS settled,
    coalesce(placed - settled, 0) AS growth,
    coalesce(refused, 0) AS refused,
    coalesce(rejected, 0) AS rejected,
    coalesce(cancelled, 0) AS cancelled,
    coalesce(expired, 0) AS expired,
    coalesce(failed, 0) AS failed
FROM counts
FULL JOIN refusals USING (minute)
ORDER BY minute DESC;
