-- The orders whose steps the worker process $1 was running, and these steps.
SELECT coalesce(array_agg(order_id), '{}'), coalesce(array_agg(j.queue), '{}')
FROM workers AS w
JOIN river_job AS j ON j.state = 'running' AND j.attempted_by[array_upper(j.attempted_by, 1)] = w.id
CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(j.args -> 'order_ids', jsonb_build_array(j.args ->> 'order_id'))) AS o (order_id)
WHERE w.pid = $1
    AND j.queue <> 'maintenance';
