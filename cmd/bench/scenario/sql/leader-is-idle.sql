-- Whether the leader has done the sweeps that it makes at its start.
SELECT count(*) > 0 AND bool_and(state = 'completed')
FROM river_job
WHERE queue = 'maintenance'
    AND state IN ('available', 'running', 'completed');
