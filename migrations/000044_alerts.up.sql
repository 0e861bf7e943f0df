-- What was posted to ORDERS_ALERT_WEBHOOK, so that a restart neither repeats nor loses an alert.
CREATE TABLE alerts (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    condition       text NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('warning', 'critical')),
    sentence        text NOT NULL,
    since           timestamptz NOT NULL,
    began_at        timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    begin_posted_at timestamptz,
    end_posted_at   timestamptz
);

COMMENT ON TABLE alerts IS 'Conditions that began, and when they ended, as job alert has seen them. Ended ones are deleted after 30 days.';
COMMENT ON COLUMN alerts.condition IS 'Its name, as orders check has it';
COMMENT ON COLUMN alerts.sentence IS 'What was wrong when the alert began';
COMMENT ON COLUMN alerts.since IS 'Since when it was wrong, as far as that is known; else began_at';
COMMENT ON COLUMN alerts.ended_at IS 'When it was seen that the condition has ended; null while it lasts';
COMMENT ON COLUMN alerts.begin_posted_at IS 'When the receiver has acknowledged the begin; null until then';
COMMENT ON COLUMN alerts.end_posted_at IS 'When the receiver has acknowledged the end; null until then';

-- A condition has one open alert.
CREATE UNIQUE INDEX alerts_open_idx ON alerts (condition) WHERE ended_at IS NULL;
-- What is to be posted, and what is past its retention.
CREATE INDEX alerts_unposted_idx ON alerts (began_at) WHERE begin_posted_at IS NULL OR end_posted_at IS NULL;
CREATE INDEX alerts_ended_idx ON alerts (end_posted_at) WHERE end_posted_at IS NOT NULL;
