-- The state of the queue: the age of the oldest job that waits, and the size of river_job.
SELECT
    coalesce(extract(epoch FROM now() - (
        SELECT min(head.scheduled_at)
        FROM unnest('{inventory,notification,points}'::text[]) AS q (queue)
        CROSS JOIN LATERAL (
            SELECT scheduled_at
            FROM river_job
            WHERE state = 'available'
                AND river_job.queue = q.queue
            ORDER BY priority, scheduled_at, id
            LIMIT 1
        ) AS head
    )), 0)::float8,
    pg_stat_get_live_tuples('river_job'::regclass),
    pg_total_relation_size('river_job');
