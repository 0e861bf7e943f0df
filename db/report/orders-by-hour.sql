-- title:    Orders by state and hour
-- question: How many orders came in, and what became of them, hour by hour?
-- parameters:
--   since  time  now-1d  orders placed from then on; the first hour may not be complete
--   until  time  -       and before
-- columns:
--   hour    start of the hour in which they were placed, UTC; the newest first, one without orders has no row
--   status  where the orders stand now
--   orders  how many of them

SELECT
    date_trunc('hour', time_of_uuid(id), 'UTC') AS hour,
    status,
    count(*) AS orders
FROM orders
-- Ids sort by the time of placing.
WHERE id >= uuid_at(report_time('since', now() - interval '1 day'))
    AND id < uuid_at(report_time('until', '9999-01-01Z'))
GROUP BY hour, status
ORDER BY hour DESC, status;
