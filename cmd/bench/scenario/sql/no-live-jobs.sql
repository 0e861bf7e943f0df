-- Whether no job of a step is left. It reads one row a state and queue, so it takes next to nothing.
SELECT NOT EXISTS (
    SELECT
    FROM unnest('{available,retryable,running,scheduled}'::river_job_state[]) AS s (state)
    CROSS JOIN unnest('{inventory,notification,points}'::text[]) AS q (queue)
    CROSS JOIN LATERAL (
        SELECT
        FROM river_job
        WHERE river_job.state = s.state
            AND river_job.queue = q.queue
        LIMIT 1
    ) AS job
);
