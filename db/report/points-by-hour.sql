-- title:    Points issued and reversed
-- question: How many points were given to customers in each hour, and how many were taken back?
-- parameters:
--   since  time  now-1d  entries from then on; the first hour may not be complete
--   until  time  -       and before
-- columns:
--   hour       its start, UTC; the newest first
--   issued     points that were given
--   reversed   points that were taken back, because their orders ended
--   net        issued - reversed
--   orders     orders that points were given for
--   customers  customers whose balance changed

SELECT
    date_trunc('hour', at, 'UTC') AS hour,
    coalesce(sum(points) FILTER (WHERE points > 0), 0)::bigint AS issued,
    coalesce(-sum(points) FILTER (WHERE points < 0), 0)::bigint AS reversed,
    sum(points)::bigint AS net,
    count(*) FILTER (WHERE points > 0) AS orders,
    count(DISTINCT user_id) AS customers
FROM points_entries
WHERE at >= report_time('since', now() - interval '1 day')
    AND at < report_time('until', '9999-01-01Z')
    AND points <> 0 -- a void gives nothing
GROUP BY 1
ORDER BY 1 DESC;
