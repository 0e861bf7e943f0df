-- What happened in each minute. Job stats counts it from orders, ledgers and events after the fact, so an order writes nothing
-- of it. Refusals leave no other row: each serve process adds its own.
CREATE TABLE stats_minutes (
    minute    timestamptz PRIMARY KEY,
    placed    bigint NOT NULL,
    settled   bigint NOT NULL,
    rejected  bigint NOT NULL,
    cancelled bigint NOT NULL,
    expired   bigint NOT NULL,
    failed    bigint NOT NULL
);

COMMENT ON TABLE stats_minutes IS 'Orders that were placed, settled and ended in each minute. Watermark stats says which minutes are final. Job prune deletes them after 35 days.';
COMMENT ON COLUMN stats_minutes.minute IS 'The start of the minute';
COMMENT ON COLUMN stats_minutes.settled IS 'Orders whose last step was done in the minute, and orders that ended in it before that';

CREATE TABLE stats_latencies (
    minute timestamptz NOT NULL,
    step   text NOT NULL,
    orders bigint[] NOT NULL,
    PRIMARY KEY (minute, step)
);

COMMENT ON TABLE stats_latencies IS 'Histograms of the time from placing an order to each of its steps';
COMMENT ON COLUMN stats_latencies.minute IS 'The minute in which the steps were done';
COMMENT ON COLUMN stats_latencies.step IS 'A step, or settle: all steps, or the rejection';
COMMENT ON COLUMN stats_latencies.orders IS 'How many orders took less than the first bound of stats.Bounds, from there to the second, and so on';

CREATE TABLE stats_refusals (
    minute  timestamptz NOT NULL,
    cause   text NOT NULL,
    refused bigint NOT NULL,
    PRIMARY KEY (minute, cause)
);

COMMENT ON TABLE stats_refusals IS 'Requests that were refused in each minute because a process or a queue was overloaded; each serve process adds its own';
COMMENT ON COLUMN stats_refusals.cause IS 'The code of the refusal, such as overloaded';

-- The reverse of uuid_at: an order's latency needs no look at the order.
CREATE FUNCTION time_of_uuid(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0);

COMMENT ON FUNCTION time_of_uuid IS 'When a UUIDv7 was made, in milliseconds: uuid_at is the reverse';
