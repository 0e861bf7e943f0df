COMMENT ON VIEW inventory_effects IS 'The effects of step inventory, with the columns of step_effects';
COMMENT ON COLUMN dead_letters.resolved_by IS 'Who resolved it; see note for why';
COMMENT ON TABLE dead_letters IS 'Jobs that River gave up, written by a trigger on river_job in the transaction that gives up. Rows are never deleted; River''s own may be.';
COMMENT ON COLUMN dead_letters.attention_at IS 'Since when a person must look; null while the system may still put it right';
COMMENT ON COLUMN dead_letters.signature IS 'What letters that died of the same have in common: error_signature(kind, error)';
COMMENT ON COLUMN payments.reference IS 'The payment''s name at whoever took it';

DROP TRIGGER job_failures_keep ON river_job;
DROP FUNCTION keep_failures;
DROP TABLE job_failures;
