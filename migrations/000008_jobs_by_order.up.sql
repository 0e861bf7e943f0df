-- Reading an order asks for its jobs. River's own GIN index on args answers that, too, but slowly under load: what is
-- inserted waits in a list that each lookup reads from end to end.
CREATE INDEX river_job_order_idx ON river_job ((args ->> 'order_id'));
