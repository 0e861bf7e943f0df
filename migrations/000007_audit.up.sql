-- The incremental audit reads what the ledgers got since the last one. Their rows come in by time and are never
-- changed, so a BRIN index finds them: a few pages in all, next to nothing to keep up when a row is written, where a
-- B-tree would grow, and cost, with every row. autosummarize keeps the newest pages in it without waiting for a vacuum.
CREATE INDEX stock_receipts_at_idx ON stock_receipts USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX stock_movements_at_idx ON stock_movements USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX points_entries_at_idx ON points_entries USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX notifications_at_idx ON notifications USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX payments_at_idx ON payments USING brin (at) WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE audit_stock_sums (
    sku      text PRIMARY KEY,
    received bigint NOT NULL,
    deducted bigint NOT NULL,
    released bigint NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE audit_stock_sums IS 'Each product''s ledgers summed up to the moment of watermark audit: a product everybody orders has too many movements to add up each time';

CREATE TABLE audit_unsettled (
    order_id uuid PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE audit_unsettled IS 'Orders that were not settled when the audit came by: it looks at them again until they are';
COMMENT ON COLUMN audit_unsettled.at IS 'When the audit last looked';

CREATE INDEX audit_unsettled_at_idx ON audit_unsettled (at);

CREATE TABLE audit_findings (
    invariant   text NOT NULL,
    subject     text NOT NULL,
    detail      text NOT NULL,
    first_seen  timestamptz NOT NULL DEFAULT now(),
    last_seen   timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    PRIMARY KEY (invariant, subject)
);

COMMENT ON TABLE audit_findings IS 'Where an invariant did not hold; resolved ones stay. There should be none.';
COMMENT ON COLUMN audit_findings.invariant IS 'The name of its file in db/audit';
COMMENT ON COLUMN audit_findings.subject IS 'The sku, user, order or key that breaks it';
COMMENT ON COLUMN audit_findings.detail IS 'What is, and what should be';
COMMENT ON COLUMN audit_findings.resolved_at IS 'When an audit looked again and found nothing; null while open';

-- Those that are to be looked at again, and the list: open ones first.
CREATE INDEX audit_findings_open_idx ON audit_findings (invariant, last_seen) WHERE resolved_at IS NULL;
CREATE INDEX audit_findings_list_idx ON audit_findings (coalesce(resolved_at, 'infinity'), invariant, subject);

CREATE TABLE audit_runs (
    mode        text PRIMARY KEY CHECK (mode IN ('incremental', 'whole')),
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    orders      bigint NOT NULL,
    violations  bigint NOT NULL
);

COMMENT ON TABLE audit_runs IS 'The last audit of each mode that came to its end';
COMMENT ON COLUMN audit_runs.orders IS 'How many orders it looked at';
