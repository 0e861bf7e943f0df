COMMENT ON COLUMN order_lines.sku IS 'A product. No foreign key: products are never deleted, and the key''s row lock on a product that everybody orders would make placing wait for the stock updates.';

UPDATE audit_findings
SET invariant = 'no-orphans'
WHERE invariant = 'open-steps';

COMMENT ON TABLE watermarks IS 'How far the sweeps (orphans, audit) have walked along the orders; what lies behind is not read again';

UPDATE watermarks
SET name = replace(name, 'missing_jobs', 'orphans')
WHERE name LIKE 'missing_jobs%';

UPDATE order_events
SET type = 'orphan'
WHERE type = 'missing_job';

UPDATE redrives
SET outcome = replace(CASE outcome WHEN 'not_redrivable' THEN 'cannot be redriven' ELSE outcome END, '_', ' ');

ALTER TABLE audit_runs DROP CONSTRAINT audit_runs_mode_check;

UPDATE audit_runs
SET mode = 'whole'
WHERE mode = 'full';

ALTER TABLE audit_runs ADD CONSTRAINT audit_runs_mode_check CHECK (mode IN ('incremental', 'whole'));

COMMENT ON COLUMN workers.seen_at IS 'Set by itself every second';
COMMENT ON COLUMN workers.rescued IS 'How many jobs were put back for it when it was found dead';

ALTER TABLE workers RENAME COLUMN rescued TO returned;
