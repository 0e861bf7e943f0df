-- title:    Queue depth
-- question: How much work waits in each queue at this moment, and since when?
-- columns:
--   queue                 name of the queue; the queue whose work is latest comes first
--   paused                whether an operator has paused the queue
--   waiting_orders        orders of the jobs that a worker may take
--   waiting_jobs          these jobs; orders that were placed together share them
--   running_orders        orders of the jobs that a worker has taken
--   running_jobs          these jobs
--   retrying_orders       orders of the jobs that have failed and wait for their next attempt
--   retrying_jobs         these jobs
--   scheduled_orders      orders of the jobs that are to run later, such as the deadlines of held orders
--   scheduled_jobs        these jobs
--   oldest_waiting_since  from when on the oldest job that does not run might have run, UTC; null if there is none
--   oldest_waiting_order  the order of that job, or the first of its orders; null for a periodic job

WITH queues AS (
    SELECT name AS queue
    FROM steps -- each step has a queue of its name
    UNION
    VALUES ('delivery'), ('lifecycle'), ('maintenance')
    UNION
    SELECT name
    FROM river_queue
    UNION
    SELECT queue
    FROM river_job
    WHERE state IN ('available', 'running', 'retryable', 'scheduled')
), live AS (
    SELECT queue, state, scheduled_at, orders_of_job(kind, metadata, args) AS orders
    FROM river_job
    WHERE state IN ('available', 'running', 'retryable', 'scheduled')
), depth AS (
    SELECT
        queue,
        sum(orders) FILTER (WHERE state = 'available') AS waiting_orders,
        count(*) FILTER (WHERE state = 'available') AS waiting_jobs,
        sum(orders) FILTER (WHERE state = 'running') AS running_orders,
        count(*) FILTER (WHERE state = 'running') AS running_jobs,
        sum(orders) FILTER (WHERE state = 'retryable') AS retrying_orders,
        count(*) FILTER (WHERE state = 'retryable') AS retrying_jobs,
        sum(orders) FILTER (WHERE state = 'scheduled') AS scheduled_orders,
        count(*) FILTER (WHERE state = 'scheduled') AS scheduled_jobs,
        -- Retryable and scheduled jobs can be late, too: when no leader makes them available.
        min(scheduled_at) FILTER (WHERE state <> 'running' AND scheduled_at <= now()) AS oldest_waiting_since
    FROM live
    GROUP BY queue
)
SELECT
    queue,
    river_queue.paused_at IS NOT NULL AS paused,
    coalesce(waiting_orders, 0) AS waiting_orders,
    coalesce(waiting_jobs, 0) AS waiting_jobs,
    coalesce(running_orders, 0) AS running_orders,
    coalesce(running_jobs, 0) AS running_jobs,
    coalesce(retrying_orders, 0) AS retrying_orders,
    coalesce(retrying_jobs, 0) AS retrying_jobs,
    coalesce(scheduled_orders, 0) AS scheduled_orders,
    coalesce(scheduled_jobs, 0) AS scheduled_jobs,
    oldest_waiting_since,
    (
        SELECT coalesce(args ->> 'order_id', args #>> '{order_ids,0}')
        FROM river_job
        WHERE river_job.queue = queues.queue
            AND state IN ('available', 'retryable', 'scheduled')
            AND scheduled_at = oldest_waiting_since
        ORDER BY id
        LIMIT 1
    ) AS oldest_waiting_order
FROM queues
LEFT JOIN depth USING (queue)
LEFT JOIN river_queue ON river_queue.name = queue
ORDER BY oldest_waiting_since NULLS LAST, queue;
