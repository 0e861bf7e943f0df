-- title:    Customers affected
-- question: Which customers did an outage between two times touch, and how?
-- parameters:
--   since  time  now-1h  the outage began; a day is a sensible longest time
--   until  time  -       it ended
-- columns:
--   user_id       the customer; the one with the most affected orders comes first
--   orders        orders that are affected in at least one of the ways below
--   late          orders of which a step was done, or that were rejected, more than 10 s after placing; one of both was in the time
--   undone        orders that were placed in the time and have a step that is not done yet
--   dead_letters  orders of which a job was given up in the time
--   ended         orders that expired or failed in the time, and orders placed in it that did so later
--   first_placed  when the first of the orders was placed, UTC
--   last_placed   when the last of them was placed, UTC

WITH effects AS (
    SELECT order_id, step, template, at
    FROM step_effects
    WHERE order_id >= uuid_at(report_time('since', now() - interval '1 hour'))
        AND order_id < uuid_at(report_time('until', '9999-01-01Z'))
        AND ledger <> 'orders' -- a status is no effect with a time of its own
        AND NOT void
    UNION ALL
    SELECT order_id, step, template, at
    FROM step_effects
    WHERE at >= report_time('since', now() - interval '1 hour')
        AND at < report_time('until', '9999-01-01Z')
        AND order_id < uuid_at(report_time('since', now() - interval '1 hour'))
        AND ledger <> 'orders'
        AND NOT void
), affected AS (
    SELECT order_id, 'late' AS how
    FROM effects
    JOIN steps ON steps.name = effects.step AND steps.template = effects.template
    WHERE effects.at > time_of_uuid(order_id) + interval '10 seconds'
        -- A held order waits for its payment, which is no fault.
        AND NOT (steps.after_payment AND EXISTS (SELECT FROM payments WHERE payments.order_id = effects.order_id OFFSET 0))
    UNION ALL
    SELECT order_id, 'undone'
    FROM undone_steps
    WHERE order_id >= uuid_at(report_time('since', now() - interval '1 hour'))
        AND order_id < uuid_at(report_time('until', '9999-01-01Z'))
        AND order_id < uuid_at(now() - interval '10 seconds')
        AND status <> 'awaiting_payment'
    UNION ALL
    SELECT order_id, 'dead'
    FROM dead_letters
    WHERE dead_at >= report_time('since', now() - interval '1 hour')
        AND dead_at < report_time('until', '9999-01-01Z')
        AND order_id IS NOT NULL
    UNION ALL
    SELECT order_id, CASE type WHEN 'rejected' THEN 'late' ELSE 'ended' END
    FROM order_events
    WHERE at >= report_time('since', now() - interval '1 hour')
        AND (
            at < report_time('until', '9999-01-01Z')
            OR order_id >= uuid_at(report_time('since', now() - interval '1 hour'))
            AND order_id < uuid_at(report_time('until', '9999-01-01Z'))
        )
        AND (type IN ('expired', 'failed') OR type = 'rejected' AND at > time_of_uuid(order_id) + interval '10 seconds')
), by_order AS (
    SELECT
        order_id,
        bool_or(how = 'late') AS late,
        bool_or(how = 'undone') AS undone,
        bool_or(how = 'dead') AS dead,
        bool_or(how = 'ended') AS ended
    FROM affected
    GROUP BY order_id
)
SELECT
    orders.user_id,
    count(*) AS orders,
    count(*) FILTER (WHERE late) AS late,
    count(*) FILTER (WHERE undone) AS undone,
    count(*) FILTER (WHERE dead) AS dead_letters,
    count(*) FILTER (WHERE ended) AS ended,
    min(time_of_uuid(orders.id)) AS first_placed,
    max(time_of_uuid(orders.id)) AS last_placed
FROM by_order
JOIN orders ON orders.id = by_order.order_id
GROUP BY orders.user_id
ORDER BY orders DESC, orders.user_id;
