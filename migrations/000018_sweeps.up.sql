-- What the sweeps have done, so that what they are to do by themselves can be checked against it.
CREATE TABLE sweeps (
    name      text PRIMARY KEY,
    ran_at    timestamptz NOT NULL,
    failed_at timestamptz,
    failures  int NOT NULL DEFAULT 0,
    error     text NOT NULL DEFAULT ''
);

COMMENT ON TABLE sweeps IS 'The parts of job compensate: when each ran last, and how often in sequence it has failed';
COMMENT ON COLUMN sweeps.failed_at IS 'When it failed last; null if it never has';
COMMENT ON COLUMN sweeps.failures IS 'How many runs have failed since the last that did not';
COMMENT ON COLUMN sweeps.error IS 'The newest error''s text; empty if the last run did not fail';

ALTER TABLE dead_letters ADD COLUMN sweep_failures int NOT NULL DEFAULT 0;

COMMENT ON COLUMN dead_letters.sweep_failures IS 'How many sweeps have failed to undo the letter''s order. After three, an operator must decide.';
