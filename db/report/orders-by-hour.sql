-- title:    Orders by state and hour
-- question: How many orders came in, and what became of them, hour by hour, over the last day?
-- columns:
--   hour    start of the hour in which they were placed, UTC; the newest first, one without orders has no row
--   status  where the orders stand now
--   orders  how many of them

SELECT
    date_trunc('hour', created_at, 'UTC') AS hour,
    status,
    count(*) AS orders
FROM orders
-- From the start of an hour: only the current hour is not complete.
WHERE created_at >= date_trunc('hour', now() - interval '24 hours', 'UTC')
GROUP BY hour, status
ORDER BY hour DESC, status;
