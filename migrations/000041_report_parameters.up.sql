-- Reports are files that also run in psql. There a parameter is a setting of the session: SET orders.since = '2026-11-26 14:00Z'.
CREATE FUNCTION report_time(parameter text, otherwise timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('orders.' || parameter, true), '')::timestamptz, otherwise);

COMMENT ON FUNCTION report_time IS 'The parameter of a report that is a time: setting orders.<parameter>, or otherwise if it is not set';

CREATE FUNCTION report_text(parameter text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('orders.' || parameter, true), '');

COMMENT ON FUNCTION report_text IS 'The parameter of a report that is a text: setting orders.<parameter>, or null if it is not set';

CREATE FUNCTION latency_bounds() RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{5,10,15,20,30,40,50,75,100,150,200,300,400,500,750,1000,1500,2000,3000,4000,5000,7500,10000,15000,20000,30000,60000,120000,300000,600000,1800000,3600000,21600000,86400000}'::float8[];

COMMENT ON FUNCTION latency_bounds IS 'The bounds of the buckets of stats_latencies in milliseconds, as stats.Bounds has them';

-- Failed attempts of deleted jobs are counted here before they are deleted themselves. A healthy job leaves nothing.
CREATE TABLE job_failures_by_hour (
    hour         timestamptz NOT NULL,
    kind         text NOT NULL,
    signature    text NOT NULL,
    attempts     bigint NOT NULL,
    newest_at    timestamptz NOT NULL,
    newest_error text NOT NULL,
    PRIMARY KEY (hour, kind, signature)
);

COMMENT ON TABLE job_failures_by_hour IS 'Failed attempts by hour and cause, counted when job prune deletes them from job_failures. Job prune deletes the counts after 35 days.';
COMMENT ON COLUMN job_failures_by_hour.signature IS 'error_signature(kind, error): the error without ids, numbers and addresses';
