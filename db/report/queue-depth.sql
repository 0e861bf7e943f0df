-- title:    Queue depth
-- question: How much work waits on each queue at this moment, and how late is it?
-- columns:
--   queue               name of the queue; the latest comes first
--   kind                kind of job
--   paused              whether an operator has paused the queue
--   available           jobs that a worker may take
--   running             jobs that a worker has taken
--   retryable           jobs that have failed and wait for their next attempt
--   scheduled           jobs that are to run later
--   oldest_due_seconds  how long the oldest job has waited past the moment from which it might have run; null if none has

SELECT
    job.queue,
    job.kind,
    queue.paused_at IS NOT NULL AS paused,
    count(*) FILTER (WHERE job.state = 'available') AS available,
    count(*) FILTER (WHERE job.state = 'running') AS running,
    count(*) FILTER (WHERE job.state = 'retryable') AS retryable,
    count(*) FILTER (WHERE job.state = 'scheduled') AS scheduled,
    -- Retryable and scheduled jobs can be late, too: when no leader makes them available.
    extract(epoch FROM now() - min(job.scheduled_at) FILTER (
        WHERE job.state <> 'running' AND job.scheduled_at <= now()
    ))::bigint AS oldest_due_seconds
FROM river_job AS job
LEFT JOIN river_queue AS queue ON queue.name = job.queue
WHERE job.state IN ('available', 'running', 'retryable', 'scheduled')
GROUP BY job.queue, job.kind, queue.paused_at
ORDER BY oldest_due_seconds DESC NULLS LAST, queue, kind;
