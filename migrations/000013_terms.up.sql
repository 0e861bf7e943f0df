-- Names and values take the field's usual words; values of enums are snake_case.
ALTER TABLE workers RENAME COLUMN returned TO rescued;

COMMENT ON COLUMN workers.rescued IS 'How many jobs other workers took over when this one was found dead';
COMMENT ON COLUMN workers.seen_at IS 'Its last heartbeat; it sends one a second';

ALTER TABLE audit_runs DROP CONSTRAINT audit_runs_mode_check;

UPDATE audit_runs
SET mode = 'full'
WHERE mode = 'whole';

ALTER TABLE audit_runs ADD CONSTRAINT audit_runs_mode_check CHECK (mode IN ('incremental', 'full'));

UPDATE redrives
SET outcome = replace(CASE outcome WHEN 'cannot be redriven' THEN 'not_redrivable' ELSE outcome END, ' ', '_');

UPDATE order_events
SET type = 'missing_job'
WHERE type = 'orphan';

UPDATE watermarks
SET name = replace(replace(name, 'orphans:', 'missing_jobs:'), 'orphans', 'missing_jobs')
WHERE name LIKE 'orphans%';

COMMENT ON TABLE watermarks IS 'How far each scan along the orders (missing_jobs, audit) has come; a scan does not read earlier orders again';

UPDATE audit_findings
SET invariant = 'open-steps'
WHERE invariant = 'no-orphans';

COMMENT ON COLUMN order_lines.sku IS 'A product. No foreign key: products are never deleted, and the key''s check would cost a lookup and a row lock for each line.';
