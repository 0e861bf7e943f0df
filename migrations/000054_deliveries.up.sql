-- Where events are sent to. A webhook's row is also how far it has been sent the log of events.
CREATE TABLE endpoints (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind            text NOT NULL CHECK (kind IN ('webhook', 'mail')),
    url             text NOT NULL,
    types           text[] NOT NULL DEFAULT '{}',
    secret          text NOT NULL,
    previous_secret text,
    previous_until  timestamptz,
    position_seq    bigint NOT NULL,
    position_n      int NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    created_by      text NOT NULL,
    disabled_at     timestamptz,
    disabled_reason text,
    failing_since   timestamptz,
    paused_until    timestamptz,
    last_at         timestamptz,
    last_status     int NOT NULL DEFAULT 0,
    last_answer     text NOT NULL DEFAULT '',
    gaps            int NOT NULL DEFAULT 0
);

COMMENT ON TABLE endpoints IS 'Where events are sent to: webhooks of other services, and mail to customers. Jobs deliver_webhook and deliver_mail send, one job an endpoint';
COMMENT ON COLUMN endpoints.types IS 'Only events of these types; all without any';
COMMENT ON COLUMN endpoints.secret IS 'Signs what is sent, as Standard Webhooks says. The receiver has it, too';
COMMENT ON COLUMN endpoints.previous_secret IS 'Signs as well until previous_until: the receiver may still have it';
COMMENT ON COLUMN endpoints.position_seq IS 'With position_n: the place in events up to which each event has a row in deliveries, or was of another type';
COMMENT ON COLUMN endpoints.failing_since IS 'Since when nothing has arrived although something was sent; null if the last ones arrived';
COMMENT ON COLUMN endpoints.paused_until IS 'Nothing is sent before, as the endpoint has failed again and again; then one delivery tries';
COMMENT ON COLUMN endpoints.last_status IS 'The HTTP status of the last answer; 0 if there was none';
COMMENT ON COLUMN endpoints.gaps IS 'How often events were deleted before they could be sent: the endpoint was away for longer than ORDERS_KEEP_EVENTS';

-- Mail has one endpoint, which a worker makes that knows a mail server.
CREATE UNIQUE INDEX endpoints_mail_idx ON endpoints (kind) WHERE kind = 'mail';

CREATE TABLE deliveries (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id uuid NOT NULL,
    event_seq   bigint NOT NULL,
    event_id    text NOT NULL,
    event_type  text NOT NULL,
    event_at    timestamptz NOT NULL,
    order_id    uuid,
    sku         text,
    state       text NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'suppressed')),
    attempts    int NOT NULL,
    next_at     timestamptz,
    status      int NOT NULL DEFAULT 0,
    answer      text NOT NULL DEFAULT '',
    provider_id text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (endpoint_id, event_id),
    CHECK ((state = 'waiting') = (next_at IS NOT NULL))
);

CREATE INDEX deliveries_due_idx ON deliveries (endpoint_id, next_at) WHERE state = 'waiting';
CREATE INDEX deliveries_order_idx ON deliveries (order_id, id);

COMMENT ON TABLE deliveries IS 'What became of each event at each endpoint. Written with the result of the first attempt. Job prune deletes those that have ended, after ORDERS_KEEP_EVENTS';
COMMENT ON COLUMN deliveries.event_seq IS 'Where the event is in events; 0 for a test';
COMMENT ON COLUMN deliveries.event_id IS 'What the receiver knows the event by: it is the same in all attempts, and a receiver skips one that it knows';
COMMENT ON COLUMN deliveries.state IS 'waiting: sent again at next_at. sent: the receiver has it. failed: given up. suppressed: not worth sending any more';
COMMENT ON COLUMN deliveries.status IS 'The HTTP status of the last answer; 0 if there was none';
COMMENT ON COLUMN deliveries.provider_id IS 'The id that a mail server gave; empty for none';

-- The job of an endpoint is enqueued anew when it is missing, so it leaves no dead letter.
CREATE OR REPLACE TRIGGER dead_letters_keep
AFTER UPDATE ON river_job
FOR EACH ROW
WHEN (NEW.state IN ('discarded', 'cancelled')
    AND OLD.state NOT IN ('discarded', 'cancelled')
    AND NEW.kind NOT IN ('compensate', 'audit', 'prune', 'stats', 'alert', 'deliver_webhook', 'deliver_mail')
    AND NOT NEW.metadata ? 'unique_key_conflict')
EXECUTE FUNCTION keep_dead_letter();
