-- title:    Throughput by hour
-- question: How many orders came in, settled and were refused in each hour?
-- parameters:
--   since  time  now-1d  minutes from then on; the first hour may not be complete
--   until  time  -       and before
-- columns:
--   hour             its start, UTC; the newest first
--   placed           orders that were placed in it
--   settled          orders whose last step was done in it, or that ended in it before that
--   growth           placed - settled: above zero the work that waits has grown
--   busiest_placed   the most that were placed in one of its minutes
--   busiest_settled  the most that were settled in one of its minutes
--   refused          requests that were refused in it because of overload
--   rejected         orders that were rejected in it, for lack of stock
--   cancelled        orders that were cancelled in it
--   expired          orders that expired in it
--   failed           orders that failed in it

WITH refusals AS (
    SELECT date_trunc('hour', minute, 'UTC') AS hour, sum(refused)::bigint AS refused
    FROM stats_refusals
    WHERE minute >= report_time('since', now() - interval '1 day')
        AND minute < report_time('until', '9999-01-01Z')
    GROUP BY 1
), counts AS (
    SELECT
        date_trunc('hour', minute, 'UTC') AS hour,
        sum(placed)::bigint AS placed,
        sum(settled)::bigint AS settled,
        max(placed) AS busiest_placed,
        max(settled) AS busiest_settled,
        sum(rejected)::bigint AS rejected,
        sum(cancelled)::bigint AS cancelled,
        sum(expired)::bigint AS expired,
        sum(failed)::bigint AS failed
    FROM stats_minutes
    WHERE minute >= report_time('since', now() - interval '1 day')
        AND minute < report_time('until', '9999-01-01Z')
    GROUP BY 1
)
SELECT
    hour,
    coalesce(placed, 0) AS placed,
    coalesce(settled, 0) AS settled,
    coalesce(placed - settled, 0) AS growth,
    coalesce(busiest_placed, 0) AS busiest_placed,
    coalesce(busiest_settled, 0) AS busiest_settled,
    coalesce(refused, 0) AS refused,
    coalesce(rejected, 0) AS rejected,
    coalesce(cancelled, 0) AS cancelled,
    coalesce(expired, 0) AS expired,
    coalesce(failed, 0) AS failed
FROM counts
FULL JOIN refusals USING (hour)
ORDER BY hour DESC;
