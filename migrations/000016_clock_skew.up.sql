-- The release before writes no skew.
ALTER TABLE workers ADD COLUMN clock_skew interval;

COMMENT ON COLUMN workers.clock_skew IS
    'How far the clock of its machine is ahead of the database''s, at its last heartbeat. Nothing depends on it: all moments are the database''s';
