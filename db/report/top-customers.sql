-- title:    Top customers
-- question: Which customers have placed the most orders, and for how much?
-- parameters:
--   since  time  now-1d  orders placed from then on
--   until  time  -       and before
-- columns:
--   user_id    the customer; the one with the most orders comes first, at most 100
--   currency   the orders of each currency have a row
--   orders     how many orders, whatever became of them
--   confirmed  of these, those that are confirmed
--   total      sum of the confirmed ones, in minor units
--   last_at    when the last one was placed, UTC

SELECT
    user_id,
    currency,
    count(*) AS orders,
    count(*) FILTER (WHERE status = 'confirmed') AS confirmed,
    coalesce(sum(total) FILTER (WHERE status = 'confirmed'), 0)::bigint AS total,
    max(time_of_uuid(id)) AS last_at
FROM orders
WHERE id >= uuid_at(report_time('since', now() - interval '1 day'))
    AND id < uuid_at(report_time('until', '9999-01-01Z'))
GROUP BY user_id, currency
ORDER BY orders DESC, total DESC, user_id, currency
LIMIT 100;
