-- title:    Undone steps
-- question: Which steps have orders that are not done, and what will do them?
-- parameters:
--   since  time  now-1d  orders placed from then on
--   until  time  -       and before
-- columns:
--   step       a declared step; all are listed
--   undone     orders that must have the step and do not have it yet
--   live       of these, those whose job is alive: it waits, runs, or is to be retried
--   dead       those whose job is dead, its letter open or dismissed
--   open       those that nothing will do; there should be none
--   oldest_at  when the oldest of the orders was last moved, UTC; null without any

WITH undone AS (
    SELECT step, order_id, template, updated_at, batch_id
    FROM undone_steps
    WHERE order_id >= uuid_at(report_time('since', now() - interval '1 day'))
        AND order_id < uuid_at(report_time('until', '9999-01-01Z'))
), looked_up AS (
    SELECT
        step,
        updated_at,
        EXISTS (
            SELECT
            FROM live_jobs
            WHERE unique_key = ANY(job_keys(undone.step, undone.order_id, undone.template, undone.batch_id))
            OFFSET 0 -- one look a step, whatever the planner knows of the queue
        ) AS live,
        EXISTS (
            SELECT
            FROM open_steps
            WHERE open_steps.order_id = undone.order_id
                AND open_steps.step = undone.step
            OFFSET 0
        ) AS open
    FROM undone
)
SELECT
    steps.name AS step,
    count(looked_up.step) AS undone,
    count(*) FILTER (WHERE live) AS live,
    count(*) FILTER (WHERE NOT live AND NOT open) AS dead,
    count(*) FILTER (WHERE open) AS open,
    min(looked_up.updated_at) AS oldest_at
FROM steps
LEFT JOIN looked_up ON looked_up.step = steps.name
GROUP BY steps.name
ORDER BY steps.name;
