DROP VIEW order_job_kinds;
DROP VIEW open_steps;
DROP VIEW undone_steps;
DROP VIEW due_steps;
DROP VIEW step_effects;
DROP VIEW notification_effects;
DROP VIEW points_effects;
DROP VIEW inventory_effects;
DROP TABLE steps;

CREATE FUNCTION job_keys(order_id uuid) RETURNS bytea[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[
    job_key('inventory', order_id),
    job_key('points', order_id),
    job_key('expire', order_id),
    job_key('notification', order_id, 'created'),
    job_key('notification', order_id, 'rejected'),
    job_key('notification', order_id, 'cancelled'),
    job_key('notification', order_id, 'expired'),
    job_key('notification', order_id, 'failed')
];

COMMENT ON FUNCTION job_keys IS 'The unique keys of all jobs that an order may have, to find those that are not over: FROM live_jobs WHERE unique_key = ANY(job_keys(order_id)), a look an order';
COMMENT ON VIEW live_jobs IS 'The jobs that are not over. Those of an order are found by job_keys(order_id): by args, the whole table is read.';
